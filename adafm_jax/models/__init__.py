"""Networks as pure functions of (params, image, strength)."""
