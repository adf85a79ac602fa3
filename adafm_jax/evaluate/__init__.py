"""Judging a model: metrics, levels by strengths, lambda curves, reports."""
