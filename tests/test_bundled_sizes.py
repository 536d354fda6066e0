"""What ships is small enough for a wheel, and its cards say which files they are of."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
MB = 1_000_000
DETECTORS = {"movenet": "multipose.onnx", "yolox": "nano.onnx"}


def test_checkpoints_take_less_than_80_mb_and_none_of_their_files_20() -> None:
    sizes = {path: path.stat().st_size / MB for path in CHECKPOINTS.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 80
    assert max(sizes.values()) < 20
    assert sum(size for path, size in sizes.items() if path.parent.name in DETECTORS) < 14


@pytest.mark.parametrize(("folder", "file"), DETECTORS.items())
def test_a_detector_s_card_names_its_file_its_origin_and_its_licence(folder: str, file: str) -> None:
    card = (CHECKPOINTS / folder / "README.md").read_text(encoding="utf-8")
    digest = sha256((CHECKPOINTS / folder / file).read_bytes()).hexdigest()
    assert f"`{file}`, SHA-256 `{digest}`" in card
    assert re.search(r"\| From \| .*\(SHA-256 `[0-9a-f]{64}`\)", card)
    assert "Apache-2.0, `LICENSE`" in card
    assert "Apache License" in (CHECKPOINTS / folder / "LICENSE").read_text(encoding="utf-8")
