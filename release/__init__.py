"""How a released model is made, measured and described; not installed."""
