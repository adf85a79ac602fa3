"""Cards of released models: measured, drawn and written down."""
