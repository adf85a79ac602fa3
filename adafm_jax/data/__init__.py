"""Images: where they come from and how training samples them."""
