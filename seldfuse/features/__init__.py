"""Features of stereo sound, one file each, and how they are stacked for a network."""
