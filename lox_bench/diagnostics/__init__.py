"""Looking into the weights: spectra, effective rank, and the ASR landscape around a model."""
