"""Tables, figures and contact sheets of results."""
