"""What the `adafm` commands do, one file each."""
