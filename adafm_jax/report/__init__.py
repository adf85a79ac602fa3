"""Drawing results and writing them down."""
