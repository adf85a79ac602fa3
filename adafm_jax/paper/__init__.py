"""The paper's experiments as lists of variations, and the report of them."""
