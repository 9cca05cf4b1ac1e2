"""Data: committed reference results."""
