"""Models for other programs: ONNX and StableHLO."""
