"""What a user asks, and the models that are measured for it."""
