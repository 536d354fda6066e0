"""Who sounds when: what real labels say, and how it is drawn anew."""
