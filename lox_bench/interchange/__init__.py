"""Results of neighbouring tools read as runs, and runs written in the neighbours' forms."""
