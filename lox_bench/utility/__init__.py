"""Whether a model is still of use, through lm-eval."""
