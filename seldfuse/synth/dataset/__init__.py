"""Scenes as files, in the layout of the challenge's data set."""
