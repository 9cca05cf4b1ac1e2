"""Looking into the weights: spectra, effective rank, and the safety landscape around a model."""
