"""Defences applied to the weights before the attack: LoX and what comes after it."""
