"""Turning verdicts into rates with intervals."""
