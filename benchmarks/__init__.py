"""What is claimed about speed and memory, runnable: see each module."""
