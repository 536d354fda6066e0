"""Training on a rented GPU within minutes: sounds packed small, one script there, checkpoints back in pieces."""
