"""Running a network over images of any size, at any strengths."""
