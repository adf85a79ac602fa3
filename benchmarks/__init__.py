"""Measurements behind the claims about speed, memory and quality."""
