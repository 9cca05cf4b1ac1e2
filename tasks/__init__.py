"""Data: families, attacks, prompt sets, utility tasks, templates."""
