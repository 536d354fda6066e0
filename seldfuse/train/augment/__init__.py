"""Augmentation: a batch made different from step to step, its labels moved with its sound."""
