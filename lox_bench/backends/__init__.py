"""Turning prompts into completions: templates and back ends."""
