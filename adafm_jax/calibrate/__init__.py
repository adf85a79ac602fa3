"""Measuring and fitting the best strength of each level."""
