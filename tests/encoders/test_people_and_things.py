"""The encoder of people and things: its columns say where YOLOX finds what, and looking twice costs once."""

import numpy as np
import pytest
import torch

from seldfuse.core.geometry import Camera
from seldfuse.encoders.people_and_things import (  # fmt: skip
    GROUPS,
    HEIGHT_PX,
    TOKENS,
    WIDTH_PX,
    PeopleAndThings,
    compute_columns,
)
from seldfuse.encoders.resize import resize_to_encoder
from seldfuse.errors import UsageError
from seldfuse.vision.yolox import FLOOR, YoloxNetwork, load_yolox

CPU = torch.device("cpu")


def candidates(*boxes: tuple[float, float, float, float, int, float]) -> torch.Tensor:
    """Boxes by middle, size, class and score, among many that are nothing."""
    found = torch.zeros(1, 20, 85)
    for row, (x, y, width, height, cls, score) in enumerate(boxes):
        found[0, row, :5] = torch.tensor([x, y, width, height, 1.0])
        found[0, row, 5 + cls] = score
    return found


def test_a_score_stands_in_the_columns_that_its_box_covers() -> None:
    columns = compute_columns(candidates((100.0, 90.0, 60.0, 120.0, 0, 0.64), (250.0, 150.0, 4.0, 4.0, 67, 0.3)))[0]
    covered = [column for column in range(TOKENS) if abs((column + 0.5) * WIDTH_PX / TOKENS - 100) <= 30]
    assert columns[:, 0].nonzero().flatten().tolist() == covered
    assert columns[covered, 0].tolist() == pytest.approx([0.8] * len(covered))
    # However narrow a box is, it is in a column.
    phone = columns[:, 1].nonzero().flatten().tolist()
    assert phone == [int(250 / WIDTH_PX * TOKENS)]
    score, top, bottom, _, width = columns[covered[0], len(GROUPS) + 1 : len(GROUPS) + 6].tolist()
    assert score == pytest.approx(0.8)
    assert (top, bottom) == pytest.approx(((30 / HEIGHT_PX - 0.5) * 0.8, (150 / HEIGHT_PX - 0.5) * 0.8))
    assert width == pytest.approx(60 / WIDTH_PX * 0.8)


def test_what_was_seen_once_is_not_computed_again() -> None:
    network, calls = YoloxNetwork(CPU), []
    run = network.session.run

    class Counted:
        def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
            calls.append(len(given["pictures"]))
            return run(names, given)

    network.session = Counted()
    pictures = torch.randint(0, 255, (3, 3, HEIGHT_PX, WIDTH_PX), dtype=torch.uint8)
    found = network.compute_candidates(pictures[:2])
    kept = network.find(pictures)
    assert calls == [2, 1]
    best = found[0, :, 4] * found[0, :, 5:].amax(dim=1)
    assert torch.equal(kept[0], found[0][best >= FLOOR])


def test_a_frame_that_the_encoder_has_seen_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    network = YoloxNetwork(CPU)
    rgb = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    found = network.compute_candidates(resize_to_encoder(rgb, Camera(), HEIGHT_PX, WIDTH_PX)[None])[0]
    monkeypatch.setattr(network, "session", None)
    kept = network.find_in_frame(rgb)
    best = found[:, 4] * found[:, 5:].amax(dim=1)
    scale = torch.ones(85)
    scale[:4] = 640 / WIDTH_PX
    torch.testing.assert_close(kept, found[best >= FLOOR] * scale)


def test_the_network_is_one_for_all_who_look() -> None:
    assert PeopleAndThings(CPU).network is load_yolox("cpu")


def test_it_brings_its_weights() -> None:
    from seldfuse.encoders.people_and_things import load_people_and_things

    with pytest.raises(UsageError, match="people-and-things comes with its weights; leave @mine out"):
        load_people_and_things("mine", CPU)
