"""Using a model: strengths by the batch."""
