"""What a run leaves behind: rows, verdicts, and what they allow one to say."""
