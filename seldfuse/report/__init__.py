"""Pages that show and play what a run found: one for each clip, one of all clips, one of an evaluation."""
