"""Training rows and prompt sets: which there are, and exactly which data they are."""
