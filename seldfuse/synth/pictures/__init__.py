"""What the camera sees: a background, and figures where the sources are."""
