"""Making prepared data sets."""
