"""Labelled stereo scenes made from isolated sounds."""
