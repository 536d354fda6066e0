"""Files that are not what their names say: pointers of Git LFS, and pages of the web saved in place of a file."""

from pathlib import Path

BEGINNING = 512
POINTER = b"version https://git-lfs"
PAGES = (b"<!doctype html", b"<html")


def describe_impostor(path: Path, what: str) -> str:
    """Say what stands in place of a file (`what`, such as "the weights"), and what helps; empty where nothing does."""
    try:
        with path.open("rb") as file:
            return recognize_impostor(file.read(BEGINNING), what)
    except OSError:
        return ""


def recognize_impostor(start: bytes, what: str) -> str:
    """Say the same of the first bytes of a file."""
    if start.startswith(POINTER):
        return f"this is a Git LFS pointer, not {what}: type `git lfs pull` in its repository"
    if start[:BEGINNING].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        return f"this is a page of the web, saved in place of {what}: download the file itself"
    return ""
