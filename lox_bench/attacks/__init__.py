"""Fine-tuning that may wash the alignment out."""
