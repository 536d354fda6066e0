"""Files: written whole, hashed, walked and cached; nothing here knows what is in them."""
