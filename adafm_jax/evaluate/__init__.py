"""Measuring a network: metrics, protocols, scores."""
