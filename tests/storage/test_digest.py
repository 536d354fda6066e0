"""Digests keep their values, for they stand in files and decide what is held out; a file is read once a run."""

import os
from pathlib import Path

import pytest

from seldfuse.storage import digest
from seldfuse.storage.digest import hash_bytes, hash_file, hash_input, hash_text

# Those of "grün\n", by b2sum -l 128 and sha256sum.
TEXT = "grün\n"
KNOWN = {
    "sha256": "d2d8a3547ed87a59bd66ca28402de461108a17edfc3c91d0fe1ecd44f25986b9",
    "blake2b-128": "918014c5fe3a07710a1ad82710d2015a",
}


@pytest.mark.parametrize("algorithm", sorted(KNOWN))
def test_files_texts_and_bytes_have_the_values_of_the_standard_tools(algorithm, tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(TEXT.encode())
    assert hash_bytes(TEXT.encode(), algorithm) == KNOWN[algorithm]
    assert hash_text(TEXT, algorithm) == KNOWN[algorithm]
    assert hash_file(path, algorithm) == KNOWN[algorithm]
    assert hash_file(path, algorithm, 8) == KNOWN[algorithm][:8]
    assert hash_bytes(TEXT.encode(), algorithm, 8) == hash_text(TEXT, algorithm, 8) == KNOWN[algorithm][:8]


def test_nothing_has_the_digest_that_the_standards_publish():
    assert hash_bytes(b"", "sha256") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hash_bytes(b"", "blake2b-128") == "cae66941d9efbd404e4d88758ea67670"


def test_an_input_is_read_again_only_after_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, read = tmp_path / "clip.wav", []
    monkeypatch.setattr(digest, "hash_file", lambda path, *rest: read.append(path) or hash_file(path, *rest))
    path.write_bytes(TEXT.encode())
    assert hash_input(path) == hash_input(path) == KNOWN["blake2b-128"]
    assert read == [path]

    state = path.stat()
    path.write_bytes(b"other, of another length")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert hash_input(path) == hash_bytes(b"other, of another length", "blake2b-128")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    hash_input(path)
    assert read == [path, path, path]


def test_what_is_no_file_has_no_digest(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (None, tmp_path, tmp_path / "nowhere", tmp_path / "pipe"):
        assert hash_input(path) is None
