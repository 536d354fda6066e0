"""Fusion and decoding fitted on held-out data."""
