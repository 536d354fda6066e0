"""What the parts of SED-SCE bring: short trainings that take equally long, each without a part or with another one.

All begin anew, but for YAMNet's weights, and learn from scenes that were rendered before. They are scored on the frozen
sets and compared clip by clip; intervals leave out groups of sounds. So short a training hardly knows classes yet, and
places count only where the class is heard; so all are also scored as if they had been told which classes sound.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from benchmarks.sets.fewer_sounds import link_share
from benchmarks.studies.doubt import build_target
from benchmarks.studies.json_values import bound
from benchmarks.studies.posteriors import SplitPosteriors, infer_split
from benchmarks.studies.results import System, skill_values
from benchmarks.studies.sound_groups import find_set_sounds
from benchmarks.studies.successors import SKILLS, compare, match_events
from seldfuse.catalogue.host import load_registry
from seldfuse.errors import UsageError
from seldfuse.metrics.counts import count_pairs
from seldfuse.metrics.jackknife import SoundGroups, compute_intervals
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.sounds.soundbank import SoundBank

BACKEND = "sce"
SYSTEM = System((BACKEND,))
SEED = 29
EXCLUDED = ("urdu_emotion", "jrhodes3c", "osu")
"""Sources that forbid commercial use, or any but research."""

BALANCE = "synth.class_balance=0.8"
MANY, FEW = 7088, 1024
"""Scenes to learn from."""

COMMON = (
    BALANCE, "synth.validation_scenes=256", "run.precision=bf16", "augment.mixup=0", "augment.overlay=0.1"
)  # fmt: skip
SHARES = {"half": 0.5, "quarter": 0.25}
"""Banks of scenes from a share of the groups of sounds."""

SCORES = ("f20_1", "f20", "f_class", "doae_deg")
SHOWN = {
    "heard": ("f20_1", "f_class", "doae_deg", "distance_rank", "rde_skill"),
    "told": ("f20", "doae_deg", "distance_rank", "rde_skill"),
}
"""What the page shows of the arms as they are, and of those that are told which classes sound."""


@dataclass(frozen=True)
class Arm:
    """A training: what is special about it, its steps, which take `step_s` core-seconds each, so that all take equally
    long, and the arm that it is compared with. `bank` is the folder of its scenes among all.
    """

    name: str
    about: str
    steps: int
    step_s: float
    settings: tuple[str, ...] = ()
    preset: str = "small"
    against: str = "small"
    bank: str = "all"
    scenes: int = MANY


ARMS = (
    Arm("small", "as the preset `small` has it", 400, 0.26, against=""),
    Arm("no-direct", "without the feature `direct`", 435, 0.24, ('features=["logmel"]', "network.trunk.channels=2")),
    Arm(
        "point", "squared error of (x, y) in place of distributions", 445, 0.235,
        ("network.axes=2", "loss.point_weight=2"),
    ),
    Arm(
        "compact", "beside tokens of `compact-audio`", 335, 0.31,
        ('encoders=["compact-audio"]', "network.trunk.encoder=compact-audio", "network.trunk.token_channels=64"),
        against="frozen",
    ),
    Arm("frozen", "beside YAMNet, frozen", 285, 0.365, ("optimizer.pretrained_share=0",), "branch"),
    Arm("branch", "beside YAMNet, fine-tuned", 125, 0.84, (), "branch"),
    Arm("few", "from fewer scenes", 400, 0.26, scenes=FEW),
    Arm("half", "from half the groups of sounds", 400, 0.26, against="few", bank="half", scenes=FEW),
    Arm("quarter", "from a quarter of the groups of sounds", 400, 0.26, against="few", bank="quarter", scenes=FEW),
    Arm("narrow", "acoustics drawn narrow", 400, 0.26, against="few", bank="narrow", scenes=FEW),
)  # fmt: skip


def select_arms(names: str | None) -> list[Arm]:
    """Select arms by their names, separated by commas; all without names. Raises UsageError for an unknown one."""
    known = {arm.name: arm for arm in ARMS}
    wanted = list(known) if names is None else [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"--only expects some of {', '.join(known)}, got {', '.join(unknown)}")
    return [known[name] for name in wanted]


def train_arms(arms: Sequence[Arm], sounds: Path, banks: Path, out: Path) -> None:
    """Render the scenes and train the arms that are missing in `out`, one after the other, with one thread.

    Raises CalledProcessError where a command fails.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for arm in arms:
        if (out / arm.name / "model.safetensors").exists():
            continue
        share = SHARES.get(arm.bank)
        of_arm = link_share(sounds, share, banks / f"{arm.bank}-sounds", EXCLUDED) if share else sounds
        for command in list_commands(arm, of_arm, banks / arm.bank, out / arm.name):
            print("seldfuse", *command)
            subprocess.run([sys.executable, "-m", "seldfuse", *command], env=environment, check=True)


def list_commands(arm: Arm, sounds: Path, bank: Path, out: Path) -> list[list[str]]:
    """List the commands of seldfuse that render the scenes of an arm and train it.

    Scenes whose acoustics are drawn narrow are not rendered: that drawing is no longer there.
    """
    excluded = [] if arm.bank in SHARES else list(EXCLUDED)
    scenes = ["--sounds", str(sounds), "--seed", str(SEED), *_set(f"synth.exclude_sources={json.dumps(excluded)}")]
    render = ["synth", "bank", str(bank), *scenes, "--scenes", str(arm.scenes), *_set(BALANCE)]
    train = [
        "train", BACKEND, "--preset", arm.preset, "--data", "synth", "--bank", str(bank), *scenes,
        "--steps", str(arm.steps), "-o", str(out),
        *_set(f"synth.scenes={arm.scenes}", f"run.validate_every={arm.steps}", *COMMON, *arm.settings),
    ]  # fmt: skip
    return [train] if arm.bank == "narrow" else [[*render, "--validation-scenes", "256"], train]


def _set(*assignments: str) -> list[str]:
    return [part for assignment in assignments for part in ("--set", assignment)]


def measure(
    splits: Mapping[str, DatasetSplit],
    plans: Mapping[str, Mapping[str, ScenePlan]],
    arms: Sequence[Arm],
    out: Path,
    bank: SoundBank,
    every: Mapping[str, int],
) -> dict[str, Any]:
    """Score the checkpoints of arms in `out`, and compare each with its other, as JSON values.

    Of the clips of a set one in `every` is taken. Raises what `infer_split` raises.
    """
    found = [load_registry().find_backend(f"{BACKEND}@{out / arm.name}") for arm in arms]
    requests = [replace(request, instance=arm.name) for request, arm in zip(found, arms, strict=True)]
    sets = {}
    for name, split in splits.items():
        inferred = infer_split(split, requests, every.get(name, 1))
        groups = find_set_sounds([plans[name][clip] for clip in inferred.names], bank).cells
        told = tell_classes(inferred)
        sets[name] = {
            "clips": len(inferred.names),
            "heard": score_arms(inferred, arms, groups),
            "told": score_arms(told, arms, groups),
        }
    return {"arms": {arm.name: describe_arm(arm) for arm in arms}, "sets": sets}


def describe_arm(arm: Arm) -> dict[str, Any]:
    """Describe how an arm was trained, as JSON values."""
    told = {"about": arm.about, "preset": arm.preset, "settings": list(arm.settings), "against": arm.against}
    return {**told, "steps": arm.steps, "step_s": arm.step_s, "bank": arm.bank, "scenes": arm.scenes}


def score_arms(inferred: SplitPosteriors, arms: Sequence[Arm], groups: SoundGroups) -> dict[str, Any]:
    """Score each arm, and compare it with its other where that is there, as JSON values."""
    sides = {arm.name: replace_backend(inferred, arm.name) for arm in arms}
    pairs = [arm for arm in arms if arm.against in sides]
    return {
        "scores": {name: score_arm(side, groups) for name, side in sides.items()},
        "differences": {arm.name: compare(sides[arm.name], sides[arm.against], SYSTEM, groups) for arm in pairs},
    }


def tell_classes(inferred: SplitPosteriors) -> SplitPosteriors:
    """Replace what each arm says of classes by what is true, so that its places are scored wherever a class sounds."""
    some = next(iter(inferred.posteriors.values()))
    truth = build_target(inferred.references, inferred.names, some).activity.amax(dim=-1, keepdim=True)
    told = {name: replace(found, activity=truth) for name, found in inferred.posteriors.items()}
    return inferred._replace(posteriors=told)


def replace_backend(inferred: SplitPosteriors, name: str) -> SplitPosteriors:
    """Keep the posteriors of one arm, under the name of its backend."""
    return inferred._replace(posteriors={BACKEND: inferred.posteriors[name]})


def score_arm(side: SplitPosteriors, groups: SoundGroups) -> dict[str, Any]:
    """Score an arm, as JSON values with intervals."""
    matches = match_events(side, SYSTEM)
    scores, skill = compute_intervals(count_pairs(matches), groups=groups), skill_values(matches, groups)
    return {name: bound(scores[name]) for name in SCORES} | {name: skill[name] for name in SKILLS}


def table(result: Mapping[str, Any]) -> Group:
    """Lay out what each arm scores, and how much more it has than its other."""
    parts = []
    for name, measured in result["sets"].items():
        for way, shown in SHOWN.items():
            part = Table("arm", *shown, title=f"{name}, {measured['clips']} clips, classes {way}")
            for row in _rows(measured[way], shown):
                part.add_row(*row)
            parts.append(part)
    return Group(*parts)


def _rows(measured: Mapping[str, Any], shown: Sequence[str]) -> Iterator[list[str]]:
    for arm, values in measured["scores"].items():
        yield [arm, *(_format(values[name]) for name in shown)]
        if arm in measured["differences"]:
            yield ["  difference", *(_format(measured["differences"][arm][name], "+") for name in shown)]


def _format(bounds: Mapping[str, float | None], sign: str = "") -> str:
    value, low, high = bounds["value"], bounds["low"], bounds["high"]
    if value is None or low is None:
        return "–"
    return f"{value:{sign}.3f} ({low:{sign}.3f} … {high:{sign}.3f})"
