"""The contract of writers: a file that is whole or not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Writer
from seldfuse.core.result import Result
from seldfuse.errors import SeldfuseError
from seldfuse.testing.samples import tiny_result
from seldfuse.testing.values import find_value


class WriterContract:
    """Tests of one output format; a subclass sets `writer` to its name, or to the value where it is not installed."""

    writer: ClassVar[str | Writer]

    @property
    def value(self) -> Writer:
        """Find the value under test."""
        return find_value(Writer, self.writer)

    def write(self, result: Result, folder: Path) -> Path:
        """Write a result to where the engine would."""
        path = folder / f"{result.name}{self.value.suffix}"
        load_reference(self.value.write)(result, path)
        return path

    def test_the_suffix_is_one(self) -> None:
        suffix = self.value.suffix
        assert suffix.startswith("."), f"suffix must begin with a dot, got {suffix!r}"
        assert "/" not in suffix

    def test_a_result_becomes_one_file(self, tmp_path: Path) -> None:
        path = self.write(tiny_result(), tmp_path)
        assert [found.name for found in tmp_path.iterdir()] == [path.name]
        assert path.stat().st_size > 0

    def test_a_clip_without_events_becomes_a_file_too(self, tmp_path: Path) -> None:
        assert self.write(tiny_result(empty=True), tmp_path).is_file()

    def test_fields_that_it_does_not_need_may_be_missing(self, tmp_path: Path) -> None:
        provides = ("activity", *self.value.needs)
        assert self.write(tiny_result(provides), tmp_path).is_file()

    def test_the_same_result_gives_the_same_bytes(self, tmp_path: Path) -> None:
        one, other = (self.write(tiny_result(), tmp_path / name).read_bytes() for name in ("one", "other"))
        assert one == other

    def test_the_result_stays_as_it_is(self, tmp_path: Path) -> None:
        result = tiny_result()
        self.write(result, tmp_path)
        assert result.events.table.equals(tiny_result().events.table), "writing changed the events"

    def test_a_file_that_is_there_is_replaced(self, tmp_path: Path) -> None:
        expected = self.write(tiny_result(), tmp_path / "new").read_bytes()
        self.write(tiny_result(empty=True), tmp_path)
        assert self.write(tiny_result(), tmp_path).read_bytes() == expected

    def test_a_folder_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        blocked = tmp_path / "blocked"
        blocked.touch()
        with pytest.raises(SeldfuseError):
            self.write(tiny_result(), blocked)

    def test_on_a_full_disk_the_old_file_stays_and_nothing_half_written(self, tmp_path: Path) -> None:
        path = self.write(tiny_result(empty=True), tmp_path)
        before, result = path.read_bytes(), tiny_result()
        with pytest.raises(SeldfuseError), _full_disk():
            self.write(result, tmp_path)
        assert path.read_bytes() == before, "the old file is gone or damaged; use seldfuse.sdk.write_atomically"
        assert [found.name for found in tmp_path.iterdir()] == [path.name], "a half-written file stayed behind"


@contextmanager
def _full_disk() -> Iterator[None]:
    """In this block no file grows beyond one byte."""
    resource = pytest.importorskip("resource", reason="this system limits no files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
