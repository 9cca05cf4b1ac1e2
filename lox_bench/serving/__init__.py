"""Asking a model behind an HTTP endpoint: judges, and models under test."""
