"""Settings in TOML files: reading, checking, and old names of keys."""
