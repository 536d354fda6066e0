"""The command line."""

from seldfuse.cli.app import main

__all__ = ["main"]
