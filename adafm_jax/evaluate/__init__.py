"""Judging a network: metrics, protocols, scores."""
