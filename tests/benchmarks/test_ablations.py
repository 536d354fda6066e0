"""The study of what the parts of SED-SCE bring: its trainings, its banks of fewer sounds, and its tables."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.pages import ablations as page
from benchmarks.sets.fewer_sounds import keep_share, link_share
from benchmarks.studies import ablations
from benchmarks.studies.ablations import (
    ARMS,
    EXCLUDED,
    SHOWN,
    describe_arm,
    list_commands,
    score_arms,
    select_arms,
    tell_classes,
)
from benchmarks.studies.posteriors import SplitPosteriors
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.train.recipe import apply_assignments, parse_recipe, read_preset
from seldfuse_sed_sce.train import SceTask

HEAD = "class,source,group,path,side"


def make_rows(side: str, count: int, cls: str = "knock") -> list[dict[str, str]]:
    return [
        {"class": cls, "source": "s", "group": f"{cls}{n // 2}", "path": f"{side}/{cls}/{n}.wav", "side": side}
        for n in range(count)
    ]


def test_a_share_of_the_groups_that_train_stays_and_a_smaller_one_is_part_of_it() -> None:
    rows = make_rows("train", 16) + make_rows("train", 2, "bell") + make_rows("held", 4, "door")
    half, quarter = keep_share(rows, 0.5), keep_share(rows, 0.25)
    for kept, knocks in ((half, 8), (quarter, 4)):
        assert [sum(row["class"] == cls for row in kept) for cls in ("knock", "bell", "door")] == [knocks, 2, 4]
    assert all(row in half for row in quarter)


def test_a_folder_of_fewer_sounds_links_the_files_and_leaves_sources_out(tmp_path: Path) -> None:
    sounds = tmp_path / "sounds"
    (sounds / "knock").mkdir(parents=True)
    lines = [HEAD, *(f"knock,{source},{n},knock/{source}{n}.wav,train" for source in "ab" for n in range(4))]
    (sounds / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    fewer = link_share(sounds, 0.5, tmp_path / "fewer", exclude=("b",))
    assert link_share(sounds, 0.5, tmp_path / "fewer", exclude=("b",)) == fewer
    head, *listed = (fewer / "manifest.csv").read_text(encoding="utf-8").splitlines()
    assert head == HEAD
    assert len(listed) == 2
    assert all(line.startswith("knock,a,") for line in listed)
    assert (fewer / "knock").resolve() == (sounds / "knock").resolve()


def test_a_folder_without_what_a_share_needs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a folder of sounds with a manifest\.csv"):
        link_share(tmp_path, 0.5, tmp_path / "out")
    (tmp_path / "manifest.csv").write_text("class,group,path\nknock,a,a.wav\n", encoding="utf-8")
    with pytest.raises(UsageError, match="expected the columns side, source"):
        link_share(tmp_path, 0.5, tmp_path / "out")


@pytest.mark.parametrize("arm", ARMS, ids=[arm.name for arm in ARMS])
def test_each_arm_is_a_recipe_that_builds_and_takes_as_long_as_the_others(arm: ablations.Arm) -> None:
    train = list_commands(arm, Path("sounds"), Path("bank"), Path("out"))[-1]
    assigned = [train[n + 1] for n, part in enumerate(train) if part == "--set"]
    recipe = parse_recipe(apply_assignments(read_preset(SceTask.recipes, arm.preset), assigned))
    assert recipe.synth.scenes == arm.scenes
    assert recipe.synth.exclude_sources == (() if arm.bank in ablations.SHARES else EXCLUDED)
    assert recipe.augment["mixup"] == 0.0
    assert arm.steps * arm.step_s == pytest.approx(104.5, abs=1.0)
    assert arm.against in {"", *(other.name for other in ARMS)}


def test_arms_are_selected_by_name() -> None:
    assert [arm.name for arm in select_arms("frozen, small")] == ["frozen", "small"]
    assert select_arms(None) == list(ARMS)
    with pytest.raises(UsageError, match=r"--only expects some of small, .*, got smal"):
        select_arms("smal")


def draw_posterior(hit_share: float, clips: int = 4) -> Posterior:
    """One class sounds at 10° and 1 m in every frame; it is found in a share of them."""
    shape = (clips, 50, len(DCASE2025), 1)
    activity = torch.zeros(shape)
    activity[:, :, 0, 0] = (torch.rand(shape[:2], generator=torch.Generator().manual_seed(0)) < hit_share).float()
    return Posterior(activity, direction_from_azimuth(torch.full(shape, 10.0)), torch.ones(shape))


CLIP = np.array([[frame, 0, 0, 10.0, 1.0, np.nan] for frame in range(50)])
INFERRED = SplitPosteriors(
    [CLIP] * 4, {"small": draw_posterior(0.5), "point": draw_posterior(0.9)}, [f"clip{n}" for n in range(4)]
)


def test_who_is_told_the_classes_is_scored_wherever_one_sounds() -> None:
    told = tell_classes(INFERRED)
    for posterior in told.posteriors.values():
        assert posterior.activity.sum() == posterior.activity[:, :, 0].sum() == 4 * 50
    assert told.references is INFERRED.references


def test_arms_are_scored_and_compared_and_make_a_page() -> None:
    arms = select_arms("small,point")
    ways = {
        way: score_arms(inferred, arms, np.arange(4)[:, None].repeat(len(DCASE2025), axis=1))
        for way, inferred in (("heard", INFERRED), ("told", tell_classes(INFERRED)))
    }
    better = ways["heard"]["differences"]["point"]["f20_1"]
    own, other = (ways["heard"]["scores"][name]["f20_1"]["value"] for name in ("point", "small"))
    assert better["value"] == pytest.approx(own - other, abs=1e-4)
    assert better["low"] > 0
    assert "small" not in ways["heard"]["differences"]
    # The mean over the classes that are there: one.
    assert ways["told"]["scores"]["small"]["f20"]["value"] == pytest.approx(1.0, abs=1e-4)
    document = {"arms": {arm.name: describe_arm(arm) for arm in arms}, "sets": {"made-up": {"clips": 4, **ways}}}
    text = page.tables(document)
    assert "made-up, 4 scenes, told which classes sound:" in text
    heard, told = (line for line in text.splitlines() if line.startswith("| `point` | `small` |"))
    assert heard.count("|") == len(SHOWN["heard"]) + 3
    assert "**+" in heard
    assert "**" not in told
    assert len(ablations.table(document).renderables) == len(SHOWN)
