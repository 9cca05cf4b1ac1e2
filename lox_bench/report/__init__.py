"""Turning rates into leaderboards and plots."""
