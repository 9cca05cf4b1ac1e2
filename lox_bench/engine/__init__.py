"""Stages, the store that keeps them, and who runs them."""
