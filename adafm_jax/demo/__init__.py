"""The page with the slider: what serves it, and what it is made of."""
