"""What was seen corrects what was heard."""
