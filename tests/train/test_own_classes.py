"""Classes of one's own: heads that keep what they know, and classes that nobody annotated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worlds import THREE, save_random

from seldfuse.checkpoint import open_checkpoint, save_checkpoint
from seldfuse.core.events import Events
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.train.adpit import adpit_loss, adpit_targets
from seldfuse.train.augment.mixup import mix_clips
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.class_rows import ClassAxis, find_class_axes
from seldfuse.train.data.annotation import read_annotation
from seldfuse.train.data.labelled_files import describe_unseen, find_labelled_files
from seldfuse.train.data.targets import build_target
from seldfuse.train.initialize import copy_weights
from seldfuse.train.losses import activity_loss
from seldfuse.train.validation import score_network
from seldfuse_cmc.network import from_settings as cmc_from_settings
from seldfuse_cmc.train import CmcTask
from seldfuse_sed_sce.network import from_settings as sce_from_settings
from seldfuse_sed_sce.train import SceTask

MINE = LabelSet(
    "mine", (Label("zither", "Zither"), Label("tick", "Tick"), Label("hiss", "Hiss"), Label("gong", "Gong"))
)
"""Two new classes, and two of `THREE` at other places."""


@pytest.mark.parametrize("polar", [False, True])
def test_a_head_for_other_classes_keeps_those_it_knows(polar: bool, tmp_path: Path) -> None:
    opened = open_checkpoint(str(save_random(tmp_path, "sce", THREE)), "sce")
    settings = dict(opened.config["network"])
    if polar:
        settings.pop("axes", None)
    torch.manual_seed(1)
    theirs, mine = sce_from_settings(settings, THREE).eval(), sce_from_settings(settings, MINE).eval()
    fresh = {name: weight.clone() for name, weight in mine.state_dict().items()}
    build = lambda labels: sce_from_settings(settings, labels)  # noqa: E731
    before = torch.random.get_rng_state()
    described = {"features": opened.config["features"], "network": settings}
    save_checkpoint(tmp_path / "theirs", theirs, "sce", THREE, described, torch.float32)
    copy_weights(mine, open_checkpoint(str(tmp_path / "theirs"), "sce"), ("logmel", "intensity"), MINE, build)
    assert torch.equal(before, torch.random.get_rng_state())
    features = torch.randn(2, 3, 250, 64)
    with torch.inference_mode():
        one, other = theirs(features), mine(features)
    for known, kept in (("tick", 1), ("hiss", 2)):
        cls = THREE.index(known)
        torch.testing.assert_close(other.activity[..., kept], one.activity[..., cls])
        for name in ("azimuth", "log_distance") if polar else ("point",):
            torch.testing.assert_close(getattr(other, name)[:, :, kept], getattr(one, name)[:, :, cls])
    assert torch.equal(mine.state_dict()["activity.2.weight"][0], fresh["activity.2.weight"][0])


def test_axes_that_count_classes_are_found_by_building() -> None:
    from seldfuse.train.recipe import read_preset

    settings = read_preset(CmcTask.recipes, "small")["network"]
    settings["trunk"]["widths"] = [4, 4, 8, 8]
    axes = find_class_axes(lambda labels: cmc_from_settings(settings, labels), THREE)
    assert axes["place.weight"] == ClassAxis(0, 9, 0)  # three tracks of x, y and metres
    assert {axis.each for name, axis in axes.items() if name.startswith("onscreen.")} == {3}
    assert not any(name.startswith("trunk.") for name in axes)
    assert ClassAxis(0, 2, 2).place_rows(1, 3) == [4, 5]
    assert ClassAxis(0, 2, 0).place_rows(1, 3) == [1, 4]


def truth(labelled: list[bool]) -> Posterior:
    """Two windows in which the first class sounds for two seconds; NaN where a class is not labelled."""
    tracks = np.array([[frame, 0, 0, 30.0, 2.0, 1.0] for frame in range(20)], np.float32)
    return build_target([tracks, tracks], THREE, np.array([labelled, labelled]))


def test_cells_that_are_not_labelled_do_not_count_in_the_loss() -> None:
    whole, part = truth([True] * 3), truth([True, True, False])
    assert part.activity[:, :, 2].isnan().all()
    assert torch.equal(part.activity[:, :, :2], whole.activity[:, :, :2])
    predicted = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = activity_loss(predicted, part.activity[..., 0], 2.0)
    expected = activity_loss(predicted[:, :, :2], whole.activity[:, :, :2, 0], 2.0)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert predicted.grad is not None
    assert (predicted.grad[:, :, 2] == 0).all()
    assert (predicted.grad[:, :, :2] != 0).all()


def test_tracks_of_classes_that_are_not_labelled_teach_nothing() -> None:
    output = torch.rand(2, 50, 27, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = adpit_loss(output, adpit_targets(truth([True, True, False])))
    assert loss.isfinite()
    loss.backward()
    assert output.grad is not None
    gradient = output.grad.reshape(2, 50, 9, 3)
    assert (gradient[..., 2] == 0).all()
    assert gradient[..., :2].abs().sum() > 0


def test_a_mixture_is_labelled_where_both_scenes_are() -> None:
    one, other = truth([True, True, False]), truth([True, False, True])
    both = Posterior.concat([one.map(lambda tensor: tensor[:1]), other.map(lambda tensor: tensor[:1])])
    batch = TrainingBatch(torch.randn(2, 2, 250, 64), ("logmel",), both)
    mixed = mix_clips(batch, 1.0, np.random.default_rng(1)).target.activity
    assert mixed.isnan().any(-1).all(1).tolist() == [[False, True, True], [False, True, True]]


def put(folder: Path, rows: str) -> Path:
    from seldfuse.media.encode import write_wav

    folder.mkdir(parents=True, exist_ok=True)
    write_wav(folder / "a.wav", np.zeros((2, 24_000 * 5), np.float32))
    (folder / "a.csv").write_text(rows)
    return folder


def test_a_folder_says_what_its_ids_mean_and_what_was_annotated(tmp_path: Path) -> None:
    folder = put(tmp_path / "data", "0,0,0,30,0,200\n1,1,0,30,0,200\n2,2,0,30,0,200\n")
    (folder / "labels.toml").write_text('classes = ["piano", "hiss", "tick"]\nlabelled = ["hiss"]\n')
    (pair,) = find_labelled_files(folder, THREE, [])
    assert pair.annotation.mark_labelled().tolist() == [True, False, False]
    assert pair.annotation.read(pair.labels).rows[:, :2].tolist() == [[1, 0], [2, 2]]
    (told,) = describe_unseen([pair], folder)
    assert told.startswith("not annotated, so neither learned nor judged here: tone, tick")
    (folder / "labels.toml").write_text('labelled = ["bark"]\n')
    with pytest.raises(UsageError, match="'bark' is no class of three"):
        find_labelled_files(folder, THREE, [])


def test_classes_without_a_label_are_told_unless_the_recipe_says_what_was_annotated(tmp_path: Path) -> None:
    folder = put(tmp_path, "0,1,0,30,0,200\n")
    (told,) = describe_unseen(find_labelled_files(folder, THREE, []), folder)
    assert told.startswith("no label has hiss, tick: the network learns that they are silent throughout")
    assert 'labelled = ["tone"] in labels.toml or the recipe' in told
    assert read_annotation(folder, THREE, ["Tone"]).mark_labelled().tolist() == [False, True, False]


def test_what_was_not_annotated_is_not_judged() -> None:
    """A system that hears a class which nobody annotated is as good as one that does not."""
    events = truth([True] * 3)

    class Scenes:
        references = [Events.empty(THREE)] * 2
        labelled = np.array([[False, True, True], [False, True, True]])

        def batches(self) -> Any:
            yield TrainingBatch(torch.zeros(2, 2, 250, 64), ("logmel",), events)

    class Says(SceTask):
        def posterior(self, _output: Any, _labels: LabelSet) -> Posterior:
            return events

    heard = score_network(Says(), torch.nn.Identity(), Scenes())
    assert heard.coverage.present.tolist() == [False, False, False]
