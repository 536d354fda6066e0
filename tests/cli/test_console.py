"""No letter that a terminal or a log cannot show ends a command."""

import io
import sys

import pytest

from seldfuse.cli.console import print_note, print_result, replace_unprintable


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "latin-1"])
def test_what_cannot_be_shown_is_replaced(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    replace_unprintable()
    print_result("0.0 – 1.0 ü \udcff")
    print_note("Tür – 你好")
    for stream, start in zip(streams, (b"0.0 ", b"note: T"), strict=True):
        stream.flush()
        assert stream.buffer.getvalue().startswith(start)  # type: ignore[attr-defined]
        assert b"?" in stream.buffer.getvalue()  # type: ignore[attr-defined]
