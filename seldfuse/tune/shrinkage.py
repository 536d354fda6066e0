"""How far a class of few frames follows the others."""

SHRINKAGE_FRAMES = 200.0
"""In every fit of a class, all classes together weigh as much as so many frames of its own."""
