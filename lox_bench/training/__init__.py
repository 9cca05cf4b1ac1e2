"""Alignment (DPO) and attacks (SFT), thin over TRL's and transformers' trainers."""
