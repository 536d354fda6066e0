"""Fusion, decoding and the visual correction fitted on held-out data."""
