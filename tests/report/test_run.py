"""`seldfuse run --report`: what a page shows is kept, and the page made, in one go."""

from pathlib import Path

import pytest
from report_world import read_data
from worlds import call, film, save_random

from seldfuse.core.labels import DCASE2025


def test_a_run_leaves_a_page_with_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sce, out = save_random(tmp_path / "sce", "sce", DCASE2025), tmp_path / "out"
    (tmp_path / "eager.toml").write_text("[decode]\nthreshold = 0.05\n")
    options = ("--backends", f"sce@{sce}", "--fusion", str(tmp_path / "eager.toml"), "--post", "", "-o", str(out))
    assert call("run", str(film(tmp_path / "a.mp4", 1.0)), *options, "--report") == 0
    assert f"note: open {out}/report/index.html in a browser" in capsys.readouterr().err
    data = read_data(out / "report" / "clips" / "a.html")
    assert len(data["layers"][0]["events"]) > 0
    (posterior,) = data["figures"]["posteriors"]
    assert posterior["backend"].startswith("sce@")
    (out / "b.json").write_text('{"format": "seldfuse-events"}')
    assert call("run", str(tmp_path / "a.mp4"), *options, "--report") == 2
    said = capsys.readouterr().err
    assert "error: the report was not made: expected a whole JSON file of events" in said
    assert "1 clip was there already" in said


def test_a_report_needs_a_format_that_it_can_read() -> None:
    from seldfuse.catalogue.host import load_registry
    from seldfuse.cli.commands.run import _check_formats
    from seldfuse.errors import UsageError

    _check_formats(load_registry().find_writers("json"))
    with pytest.raises(UsageError, match="add one of them to --formats"):
        _check_formats([])
