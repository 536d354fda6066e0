"""A detector in the whole run: what is heard is corrected by what it detects, and a second run reads that from disk."""

import json
from pathlib import Path
from typing import Any

from worlds import call, film, save_random

from seldfuse.core.labels import DCASE2025
from seldfuse.vision.detection_store import build_path, read_detections


def check_detected_run(folder: Path, detector: str, engine: str, capsys: Any) -> None:
    """Check two runs on a video, by a backend that hears everything everywhere; `engine` is how the id begins."""
    sce = save_random(folder / "sce", "sce", DCASE2025)
    (folder / "eager.toml").write_text("[decode]\nthreshold = 0.05\n")
    video, out = film(folder / "a.mp4", 2.0), folder / "out"
    fusion = str(folder / "eager.toml")
    command = ("run", str(video), "--backends", f"sce@{sce}", "--fusion", fusion, "--post", detector)
    assert call(*command, "--explain", "-o", str(out)) == 0
    said = capsys.readouterr().err
    assert f"{detector} detects with {engine}" in said
    assert f"{detector} got 4 pictures" in said
    document = json.loads((out / "a.json").read_text())
    assert document["detectors"][detector].startswith(engine)
    assert any(event["onscreen"] is not None for event in document["events"])
    stored = read_detections(build_path(out / "detections", detector, "a"))
    assert len(stored.memory.looked) == 4
    assert stored.key["looks_with"].startswith(engine)

    changes = (out / "a.changes.csv").read_bytes()
    assert call(*command, "--explain", "--overwrite", "-o", str(out)) == 0
    assert f"{detector} got" not in capsys.readouterr().err
    assert (out / "a.changes.csv").read_bytes() == changes
