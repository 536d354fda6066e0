"""Weights that others published: where they are, and how to get them."""
