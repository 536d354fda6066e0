"""From a place in a room to what a microphone hears."""
