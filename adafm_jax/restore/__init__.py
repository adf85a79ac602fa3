"""Restoring arrays and photographs at a level."""
