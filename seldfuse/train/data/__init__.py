"""Where training takes its scenes from: folders, random scenes, and mixtures of them."""
