"""How the aligned model comes about: preference pairs and DPO."""
