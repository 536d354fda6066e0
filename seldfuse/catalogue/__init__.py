"""What can be added to seldfuse: values of eight kinds, bundled and from plugins alike, looked up by name."""
