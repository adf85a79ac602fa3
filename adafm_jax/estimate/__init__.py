"""How degraded a photograph is."""
