"""Training: two stages, freezing, checkpoints."""
