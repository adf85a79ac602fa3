"""Measuring and fitting the strength that serves each level."""
