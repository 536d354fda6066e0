"""What a run costs, stage by stage, and beside the challenge's baseline: `make bench`."""
