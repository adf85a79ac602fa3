"""Training: stages, freezing, checkpoints."""
