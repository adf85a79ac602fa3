"""Continuously modulated image restoration (AdaFM) in JAX and Flax."""
