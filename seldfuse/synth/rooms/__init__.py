"""From a place in a room to the signals of a microphone."""
