"""Degradations: noise, JPEG, bicubic resampling, and levels of them."""
