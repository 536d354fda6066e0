"""The detectors that ship in the whole run."""

from pathlib import Path
from typing import Any

import pytest
from detected_run import check_detected_run


@pytest.mark.parametrize(("detector", "engine"), [("keypoint@movenet", "movenet "), ("gdino@yolox", "yolox:nano ")])
def test_a_run_is_corrected_and_remembers(
    detector: str, engine: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SELDFUSE_MOVENET", "SELDFUSE_YOLOX"):
        monkeypatch.delenv(variable, raising=False)
    check_detected_run(tmp_path, detector, engine, capsys)
