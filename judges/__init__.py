"""Data: judge specs."""
