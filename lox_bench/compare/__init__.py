"""What a run's numbers allow one to say: validity, paired differences, published figures."""
