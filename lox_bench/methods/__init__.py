"""What is done for safety, one file a method."""
