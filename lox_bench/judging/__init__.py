"""Turning completions into verdicts."""
