"""Pretrained encoders, which run once per clip, however many backends want what they give."""
