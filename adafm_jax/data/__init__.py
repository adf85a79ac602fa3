"""Sets of images, and how training samples them."""
