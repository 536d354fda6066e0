"""JSON lines survive a process that is killed while it writes one."""

import gzip
from pathlib import Path

import pytest

from seldfuse.storage.json_lines import (
    JsonLine,
    JsonLineError,
    append_json_line,
    cut_torn_line,
    format_json_line,
    read_json_lines,
)

WHOLE = [{"clip": "grün", "n": 1}, {"clip": "b", "n": 2}]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.jsonl"
    for value in WHOLE:
        append_json_line(path, value)
    return path


def values(path: Path, torn="raise") -> list[dict]:
    return [line.value for line in read_json_lines(path, torn)]


def test_what_is_appended_is_read_with_its_number_and_text(lines: Path):
    assert lines.read_text(encoding="utf-8") == '{"clip": "grün", "n": 1}\n{"clip": "b", "n": 2}\n'
    assert list(read_json_lines(lines, "raise"))[1] == JsonLine(2, '{"clip": "b", "n": 2}', WHOLE[1])


def test_a_compact_line_has_no_spaces(tmp_path: Path):
    append_json_line(tmp_path / "lines", WHOLE[0], compact=True)
    assert (tmp_path / "lines").read_text(encoding="utf-8") == '{"clip":"grün","n":1}\n'
    assert format_json_line(WHOLE[0], compact=True) == '{"clip":"grün","n":1}\n'


@pytest.mark.parametrize("torn", ['{"clip": "c', '{"clip": "c"}x', "[1]", "3", "\0\0\0\0"])
def test_a_torn_line_is_skipped_or_refused_with_its_number(lines: Path, torn: str):
    with lines.open("a", encoding="utf-8") as file:
        file.write(torn)
    append_json_line(lines, {"clip": "d"})
    assert values(lines, "skip") == [*WHOLE, {"clip": "d"}]
    with pytest.raises(JsonLineError, match="line 3: ") as refused:
        values(lines)
    assert refused.value.number == 3
    assert isinstance(refused.value.cause, ValueError | TypeError)


def test_a_line_torn_within_a_letter_is_skipped(lines: Path):
    with lines.open("ab") as file:
        file.write('{"clip": "ü'.encode()[:-1])
    assert values(lines, "skip") == WHOLE


def test_what_stands_behind_the_last_whole_line_is_cut_off(lines: Path):
    whole = lines.read_bytes()
    with lines.open("ab") as file:
        file.write(b'{"clip"')
    assert cut_torn_line(lines) == len(whole)
    assert lines.read_bytes() == whole
    lines.write_bytes(b'{"clip"')
    assert cut_torn_line(lines) == 0


def test_empty_lines_are_passed_over_but_counted(tmp_path: Path):
    (tmp_path / "lines").write_text('\n{"n": 1}\r\n  \n{"n": 2}\n')
    assert [(line.number, line.text) for line in read_json_lines(tmp_path / "lines", "raise")] == [
        (2, '{"n": 1}'),
        (4, '{"n": 2}'),
    ]


def test_a_packed_file_is_unpacked(lines: Path, tmp_path: Path):
    packed = tmp_path / "lines.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    assert values(packed) == WHOLE
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(EOFError):
        values(packed)
