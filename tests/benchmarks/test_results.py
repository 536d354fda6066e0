"""`make results`: what is measured on the frozen scenes, and the page that is made of it."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from torch.nn import functional as F
from worlds import THREE, noise, plain_room, save_random, standing

from benchmarks.__main__ import DOCS, RESULTS
from benchmarks.pages import cards, results, skill
from benchmarks.pages.svg import Axis, plot
from benchmarks.sets import yardstick
from benchmarks.studies import successors
from benchmarks.studies.posteriors import SplitPosteriors, decode_members, infer_split
from benchmarks.studies.results import (
    PAPERS,
    System,
    audio_scores,
    measure,
    mode_scores,
    score_systems,
    select_backends,
    systems,
)
from benchmarks.studies.sound_groups import SetSounds
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.formats import dcase
from seldfuse.media.encode import write_wav
from seldfuse.metrics.counts import count_matches
from seldfuse.metrics.skill import MEANINGS
from seldfuse.synth.dataset import workers
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.scene import ScenePlan, ScenePlanSource, SoundTake
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank, load_bank

CLASSES = len(DCASE2025)
SVG = "{http://www.w3.org/2000/svg}"


def spread(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


# What is measured


def draw_posterior(tracks: int, fields: Sequence[str], seed: int, clips: int = 4) -> Posterior:
    """Draw a random posterior of a backend."""
    torch.manual_seed(seed)
    shape = (clips, 10, CLASSES, tracks)
    return Posterior(
        activity=torch.rand(shape) ** (2 * tracks),
        direction=F.normalize(torch.randn(*shape, 3), dim=-1) if "direction" in fields else None,
        distance=1 + torch.rand(shape) if "distance" in fields else None,
    )


def draw_all() -> dict[str, Posterior]:
    return {
        "baseline": draw_posterior(3, ("direction", "distance"), 0),
        "doa": draw_posterior(1, ("direction",), 1),
        "sde": draw_posterior(1, ("distance",), 2),
        "sce": draw_posterior(1, ("direction", "distance"), 3),
    }


def with_references(posteriors: dict[str, Posterior]) -> SplitPosteriors:
    """Take events of the first of them as references, decoded from lower activities."""
    first = next(iter(posteriors))
    sure = {first: replace(posteriors[first], activity=posteriors[first].activity * 0.8)}
    return SplitPosteriors(decode_members(sure, [first]), posteriors, CLIPS)


CLIPS = tuple(f"clip{number}" for number in range(4))


def bank_of(sounds: Sequence[tuple[int, str]]) -> SoundBank:
    """Sounds of some classes and groups, a tenth of a second each."""
    samples, active = np.ones(2_400, dtype=np.float32), np.ones(1, dtype=bool)
    entries = {str(number): BankSound(cls, group, samples, active) for number, (cls, group) in enumerate(sounds)}
    return SoundBank.from_sounds(DCASE2025, entries)


BANK = bank_of([(cls, f"{cls}-{group}") for cls in range(3) for group in range(5)])


def plan_of(*sounds: str, at_deg: float = 27.0) -> ScenePlan:
    """A source for each sound of `BANK`, in a dry room."""
    sources = [
        ScenePlanSource(BANK.entries[sound].cls, (SoundTake(sound, 0.2, 0.5),), standing(at_deg)) for sound in sounds
    ]
    return ScenePlan(tuple(sources), plain_room(0.4))


PLANS = {clip: plan_of(str(number), str(number + 5)) for number, clip in enumerate(CLIPS)}


def test_the_systems_are_each_backend_alone_the_ensembles_of_the_three_and_that_of_all() -> None:
    assert [system.name for system in systems(["baseline", "doa", "sde", "sce"])] == [
        "baseline",
        "doa",
        "sde",
        "sce",
        "mean of doa, sde, sce",
        "nercslip of doa, sde, sce",
        "tuned of doa, sde, sce",
        "mean of baseline, doa, sde, sce",
    ]
    assert [system.name for system in systems(["sce", "doa"])] == ["sce", "doa"]


@pytest.mark.parametrize("system", systems(list(draw_all())), ids=lambda system: system.name)
def test_all_clips_at_once_give_what_each_gives_alone(system: System) -> None:
    posteriors = draw_all()
    each = [
        {name: posterior.map(lambda field, clip=clip: field[clip : clip + 1]) for name, posterior in posteriors.items()}
        for clip in range(4)
    ]
    together = {name: Posterior.concat([clip[name] for clip in each]) for name in posteriors}
    found = decode_members(together, system.members, system.fusion)
    alone = [events for clip in each for events in decode_members(clip, system.members, system.fusion)]
    assert sum(map(len, found)) > 20
    for one, other in zip(found, alone, strict=True):
        # What was fitted passes through logistic functions, whose last bit depends on how many go through at once.
        pd.testing.assert_frame_equal(one.table, other.table, rtol=1e-5)


def test_every_system_has_its_scores_in_both_ways_of_counting_and_every_question_its_answer() -> None:
    names = [system.name for system in systems(list(draw_all()))]
    result = score_systems(with_references(draw_all()), systems(list(draw_all())), PLANS, BANK)
    assert result["clips"] == 4
    assert result["classes"]["groups"][:3] == [4, 4, 0]
    assert all(result["classes"]["few"])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    for mode in ("strict", "official"):
        found = result[mode]
        assert list(found["scores"]) == names
        assert found["scores_of_many_groups"] == {}
        assert found["scores"]["doa"]["f20_1"] == spread(None, None, None)
        assert found["scores"]["sde"]["doae_deg"]["value"] is None
        assert found["scores"]["baseline"]["f20_1"]["value"] > found["scores"]["sce"]["f20_1"]["value"]
        assert all(len(found["classes"]["sce"][score]) == CLASSES for score in audio_scores())
        asked = [(answer["system"], answer["minus"], answer["score"]) for answer in found["differences"]]
        assert asked == [
            (f"{preset} of doa, sde, sce", minus, score)
            for preset in ("mean", "nercslip", "tuned")
            for minus, score in (
                ("doa", "f20"),
                ("sde", "f1"),
                ("sce", "f20_1"),
                ("baseline", "f20_1"),
                ("baseline", "f20"),
                ("baseline", "f1"),
            )
        ]
        for answer in found["differences"]:
            mine, other = (
                found["scores"][name][answer["score"]]["value"] for name in (answer["system"], answer["minus"])
            )
            assert answer["difference"]["value"] == pytest.approx(mine - other, abs=2e-5)
    assert sum(result["strict"]["frames"]) > sum(result["official"]["frames"])
    for part in ("skill", "heard", "conditions", "doubt"):
        assert list(result[part]) == names
    assert result["skill"]["sce"]["doae_deg"]["value"] == pytest.approx(
        result["strict"]["scores"]["sce"]["doae_deg"]["value"]
    )
    assert result["skill"]["doa"]["rde_skill"] == spread(None, None, None)
    asked = [(answer["minus"], answer["skill"]) for answer in result["skill_differences"]]
    assert asked[:3] == [("doa", "doae_deg"), ("sde", "rde"), ("sde", "distance_rank")]
    first = result["skill_differences"][0]
    mine, other = (result["skill"][name]["doae_deg"]["value"] for name in (first["system"], "doa"))
    assert first["difference"]["value"] == pytest.approx(mine - other, abs=2e-5)


def test_comparisons_whose_systems_are_absent_are_left_out() -> None:
    three = {name: posterior for name, posterior in draw_all().items() if name in PAPERS}
    found = score_systems(with_references(three), systems(list(three)), PLANS, BANK)["strict"]["differences"]
    assert [answer["minus"] for answer in found] == ["doa", "sde", "sce"] * 3
    two = {name: three[name] for name in ("doa", "sce")}
    alone = score_systems(with_references(two), systems(list(two)), PLANS, BANK)
    assert alone["strict"]["differences"] == alone["skill_differences"] == []


def rows(*events: tuple[int, int]) -> np.ndarray:
    """Frame and class of events at 10° and 1 m."""
    return np.array([[frame, cls, 0, 10.0, 1.0, np.nan] for frame, cls in events]).reshape(-1, 6)


def test_the_mean_of_classes_of_enough_sounds_is_over_these_alone() -> None:
    references = [rows((0, 0), (1, 0), (0, 1), (0, 2))] * 2
    predictions = [rows((0, 0), (0, 2), (1, 2))] * 2
    counts = {System(("sce",)): count_matches(references, predictions, THREE, "strict")}
    sounds = SetSounds(np.array([[0, 1, 2], [3, 4, 2]]), (5, 5, 4), (60.0, 60.0, 90.0))
    found = mode_scores(counts, sounds)
    assert found["frames"] == [4, 2, 2]
    # One hit and one miss; nothing but a miss; one hit and one false alarm.
    assert found["classes"]["sce"]["f20_1"] == pytest.approx([2 / 3, 0, 2 / 3], abs=1e-5)
    assert found["scores"]["sce"]["f20_1"]["value"] == pytest.approx(4 / 9, abs=1e-5)
    assert found["scores_of_many_groups"]["sce"]["f20_1"] == pytest.approx(spread(1 / 3, 1 / 3, 1 / 3), abs=1e-5)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> DatasetSplit:
    """Three clips of noise."""
    made = DatasetSplit(tmp_path_factory.mktemp("data"), "dev-test-noise")
    for number in range(3):
        write_wav(made.get_path(f"clip{number}", "wav"), noise(5.0, number))
        table = {"frame": [number, 20], "cls": [0, 1], "azimuth_deg": [10.0, -20.0], "distance_m": [1.0, 2.0]}
        dcase.write_events(Events(pd.DataFrame(table)), made.get_path(f"clip{number}", "csv"))
    return made


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    for backend in PAPERS:
        save_random(folder / backend, backend, DCASE2025)
    return folder


def test_every_clip_of_a_split_is_inferred_in_its_order(split: DatasetSplit, checkpoints: Path) -> None:
    inferred = infer_split(split, f"doa@{checkpoints}/doa")
    assert [table[0, 0] for table in inferred.references] == [0, 1, 2]
    (posterior,) = inferred.posteriors.values()
    assert posterior.activity.shape == (3, 50, CLASSES, 1)
    assert not posterior.activity[0].equal(posterior.activity[1])


def test_a_short_measurement_holds_what_is_promised_and_makes_a_page(
    split: DatasetSplit, checkpoints: Path, tmp_path: Path
) -> None:
    requests = select_backends(",".join(f"{name}@{checkpoints / name}" for name in PAPERS))
    result = json.loads(json.dumps(measure({"noise": split}, {"noise": PLANS}, requests, BANK), allow_nan=False))
    assert list(result["backends"]) == list(PAPERS)
    assert set(result["backends"]["doa"]["checkpoint"]) == {"doa/config.json", "doa/model.safetensors"}
    assert (
        result["backends"]["doa"]["checkpoint"]["doa/model.safetensors"]
        == hashlib.blake2b((checkpoints / "doa" / "model.safetensors").read_bytes(), digest_size=16).hexdigest()
    )
    assert result["labels"] == list(DCASE2025.names)
    assert result["sets"]["noise"]["clips"] == 3
    assert result["sets"]["noise"]["classes"]["groups"][0] == 3
    page = results.tables(result)
    for part in ("strict counting", "skill", "ensembles less one backend", "by class", "by condition", "doubts"):
        assert f"### noise: {part}" in page
    skill.write_pictures(result, results.list_shown(result), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "results-noise-azimuth.svg",
        "results-noise-distance.svg",
    ]


def test_checkpoints_are_compared_with_those_before_them(split: DatasetSplit, checkpoints: Path) -> None:
    new = select_backends(f"doa@{checkpoints}/doa,sde@{checkpoints}/sde")
    plans, splits = {"noise": PLANS}, {"noise": split}
    same = successors.measure(splits, plans, new, new, BANK)["noise"]
    assert list(same) == ["doa", "sde"]
    assert same["sde"]["f1"] == same["doa"]["f20"] == spread(0, 0, 0)
    assert same["doa"]["distance_rank"] == spread(None, None, None)
    with pytest.raises(UsageError, match="--before expects checkpoints of doa, sde, in this order, got sde, doa"):
        successors.measure(splits, plans, new, new[::-1], BANK)


def test_better_is_more_of_a_score_and_less_of_an_error() -> None:
    values = {"f20": spread(0.1, 0.05, 0.2), "doae_deg": spread(1.0, 0.5, 1.5), "rde": spread(-0.1, -0.2, -0.01)}
    console = Console(width=120, record=True)
    console.print(successors.table({"noise": {"sce": values | {"distance_rank": spread(0.1, -0.1, 0.3)}}}))
    rows = [line for line in console.export_text().splitlines() if "sce" in line]
    assert ["✓" in row for row in rows] == [True, False, True, False]


def test_a_backend_is_chosen_once() -> None:
    with pytest.raises(UsageError, match="--backends expects each backend once, got doa, doa"):
        select_backends("doa,doa@runs/doa")


# What is rendered


V1_SETS = ("validation-v1", "validation-v1-pra")


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two groups of one class, of which one is held out."""
    for number, name in enumerate("ab"):
        path = tmp_path / "sounds" / "knock" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, np.random.default_rng(number).uniform(-0.5, 0.5, (1, 12_000)).astype(np.float32))
    return tmp_path / "sounds"


@pytest.fixture
def frozen(tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scenes in each of the frozen sets of the first version."""
    folder = tmp_path / "validation" / yardstick.V1
    folder.mkdir(parents=True)
    bank = load_bank(sounds, DCASE2025, "held")
    (held_out,) = bank.keys
    scene = ScenePlan(
        (ScenePlanSource(12, (SoundTake(held_out, 0.2, 0.5),), standing(27.0)),), plain_room(0.2), frames=20
    )
    sums = {}
    for name in ("audio", "pra"):
        lines = [
            json.dumps({"name": f"{name}{number}", "plan": json.loads(scene.to_json())}) + "\n" for number in range(2)
        ]
        packed = gzip.compress("".join(lines).encode())
        (folder / f"{name}.jsonl.gz").write_bytes(packed)
        sums[f"{name}.jsonl.gz"] = hashlib.sha256(packed).hexdigest()
    (folder / yardstick.SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    (folder / yardstick.SOUND_SUMS).write_text(f"{bank.hash_sound(held_out)}  {held_out}\n")
    monkeypatch.setattr(yardstick, "ROOT", folder.parent)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Scenes are made here and now, those of pyroomacoustics in word only; takes down which clips are made."""
    pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")
    from benchmarks.sets import results

    made: list[str] = []

    def here(
        orders: Sequence[workers.ClipOrder], maker: workers.SceneClipMaker, _jobs: int
    ) -> Iterator[workers.ClipOutcome]:
        for order in orders:
            made.append(str(order.name))
            yield maker.make(order)

    def in_word_only(plans: Path, split: DatasetSplit, _sounds: Path, _jobs: int) -> Iterator[str]:
        for clip in yardstick.plans.read_plans(plans):
            if not split.get_path(clip, "wav").exists():
                write_wav(split.get_path(clip, "wav"), noise(0.1))
                made.append(clip)
                yield clip

    monkeypatch.setattr(workers, "run_workers", here)
    monkeypatch.setattr(results, "write_scenes", in_word_only)
    return made


@pytest.mark.usefixtures("frozen")
def test_the_frozen_sets_are_rendered_once(tmp_path: Path, sounds: Path, alone: list[str]) -> None:
    from benchmarks.sets.results import render_sets

    splits = render_sets(tmp_path / "out", sounds, 1, V1_SETS)
    assert {name: split.name for name, split in splits.items()} == {
        "validation-v1": "dev-test-v1",
        "validation-v1-pra": "dev-test-pra",
    }
    assert alone == ["audio0", "audio1", "pra0", "pra1"]
    assert dcase.read_rows(splits["validation-v1"].get_path("audio0", "csv"))[:, 0].tolist() == [2, 3, 4, 5, 6]
    splits["validation-v1"].get_path("audio1", "wav").unlink()
    render_sets(tmp_path / "out", sounds, jobs=1, names=["validation-v1"])
    assert alone[4:] == ["audio1"]


@pytest.mark.usefixtures("frozen")
def test_sets_are_chosen_by_name() -> None:
    pytest.importorskip("pyroomacoustics", reason="pyroomacoustics comes with the extra `bench`")
    from benchmarks.sets.results import read_set_plans, select_sets

    assert select_sets(None)[:2] == ("validation-v1", "validation-v1-pra")
    assert select_sets("validation-v1-pra, validation-v1") == ("validation-v1-pra", "validation-v1")
    assert list(read_set_plans("validation-v1-pra")) == ["pra0", "pra1"]
    with pytest.raises(UsageError, match="there is no frozen set 'v1'; --sets takes validation-v1, validation-v1-pra"):
        select_sets("v1")


@pytest.mark.usefixtures("frozen")
def test_what_is_not_the_frozen_set_is_refused(tmp_path: Path, sounds: Path, alone: list[str]) -> None:
    from benchmarks.sets.results import render_sets

    splits = render_sets(tmp_path / "out", sounds, 1, V1_SETS)
    write_wav(splits["validation-v1-pra"].get_path("stranger", "wav"), noise(0.1))
    with pytest.raises(ValueError, match=r"expected the 2 clips of validation-v1-pra and no other \(stranger\)"):
        render_sets(tmp_path / "out", sounds, 1, V1_SETS)
    (held_out,) = load_bank(sounds, DCASE2025, "held").keys
    write_wav(sounds / held_out, noise(0.1)[:1])
    with pytest.raises(ValueError, match="expected the sound with SHA-256"):
        render_sets(tmp_path / "out", sounds, 1, V1_SETS)


# The page


def document() -> dict[str, Any]:
    """Two classes, of which one has few groups; two backends and an ensemble on one set."""
    unknown = spread(None, None, None)
    doa = {
        "f20_1": unknown,
        "f20": spread(0.4, 0.35, 0.45),
        "f1": unknown,
        "f_class": spread(0.5, 0.4, 0.6),
        "doae_deg": spread(15.04, 14.96, 20.0),
        "rde": unknown,
    }
    mean = dict.fromkeys(doa, unknown) | {"f20_1": spread(0.3, None, None), "rde": spread(0.25, 0.2, 0.3)}
    by_class = {score: [0.1234, 0.5] for score in doa}
    answers = [
        {"system": "mean of doa, sce", "minus": "doa", "score": "f20", "difference": spread(0.05, 0.001, 0.1)},
        {"system": "mean of doa, sce", "minus": "sce", "score": "f20_1", "difference": spread(-0.02, -0.1, 0.06)},
    ]
    measured = {
        "frames": [1200, 0],
        "scores": {"doa": doa, "mean of doa, sce": mean},
        "scores_of_many_groups": {"doa": doa | {"f20": spread(0.6, 0.5, 0.7)}, "mean of doa, sce": mean},
        "classes": {"doa": by_class | {"rde": [None, None]}, "mean of doa, sce": by_class},
        "differences": answers,
    }
    official = measured | {
        "scores": {"doa": doa | {"f20": spread(0.48, 0.47, 0.49)}, "mean of doa, sce": mean},
        "differences": [answers[0] | {"difference": spread(0.02, -0.03, 0.07)}, answers[1]],
    }
    return {
        "seldfuse": "9.9.9",
        "backends": {
            "doa": {"checkpoint": {"doa-x/README.md": "ff" * 16, "doa-x/model.safetensors": "0123456789ab" * 3}}
        },
        "systems": [
            {"name": "doa", "members": ["doa"], "fusion": "mean"},
            {"name": "mean of doa, sce", "members": ["doa", "sce"], "fusion": "mean"},
        ],
        "labels": ["door", "knock"],
        "fewest_groups": 5,
        "shortest_s": 60.0,
        "sets": {"tiny": {"clips": 2, "strict": measured, "official": official, **beyond_scores()}},
    }


def beyond_scores() -> dict[str, Any]:
    """What a set holds beside the scores."""
    unknown = spread(None, None, None)
    known = {"doae_deg": spread(15.0, 12.0, 18.0), "doae_side_deg": spread(20.0, 19.0, 21.0)}
    bins = [
        {"low_deg": low, "high_deg": low + 15.0, "pairs": 0, "true_deg": None, "predicted_deg": unknown}
        for low in range(0, 90, 15)
    ]
    bins[2] |= {"pairs": 40, "true_deg": 37.0, "predicted_deg": spread(46.0, 40.0, 52.0)}
    doa = dict.fromkeys(MEANINGS, unknown) | known | {"doae_skill": spread(0.25, 0.1, 0.4)}
    heard = {"azimuth_deg": [part(37.0, 30.0, 46.0, 50.0) | {"wrong_side": 0.05}], "distance_m": []}
    doubt = {
        "within_std": {"azimuth_deg": 0.7, "distance_log": None},
        "activity": [{"cells": 9, "said": 0.7, "happens": 0.65}],
    }
    both = ("doa", "mean of doa, sce")
    rt60 = {"condition": "rt60_s", "low": 0.0, "high": 0.3, "sources": 1200, "f20_1": spread(0.3, 0.2, 0.4)}
    near = {"condition": "distance_m", "low": 3.5, "high": None, "sources": 30, "f20_1": unknown}
    rest = {"found": 0.5, "doae_deg": 14.0, "rde": None, "distance_rank": None}
    return {
        "classes": {"groups": [7, 4], "sound_s": [61.2, 80.0], "few": [False, True]},
        "skill": dict.fromkeys(both, doa | {"azimuth_bins": bins}),
        "skill_differences": [
            {"system": both[1], "minus": "doa", "skill": "doae_deg", "difference": spread(-1.0, -1.5, -0.5)}
        ],
        "guesses": {"side_deg": 45.0, "constant_m": 1.5},
        "heard": {both[0]: heard, both[1]: heard | {"distance_m": [part(2.0, 1.2, 1.3, 1.4)]}},
        "conditions": {system: [rt60 | rest, near | rest] for system in both},
        "doubt": dict.fromkeys(both, doubt),
    }


def part(true: float, lower: float, median: float, upper: float) -> dict[str, Any]:
    return {"pairs": 40, "true": true, "lower": lower, "median": median, "upper": upper}


PAGE = """\
`python -m benchmarks results --sounds DIR`, a step of `make results`, made these tables with
seldfuse 9.9.9; all numbers are in [results.json](../benchmarks/results/results.json).

| backend | checkpoint | BLAKE2b of the weights |
| --- | --- | --- |
| doa | doa-x | `0123456789ab` |

### tiny: strict counting

| system | F20/1 | F20 | F1 | F of class | DOAE (°) | RDE |
| --- | --- | --- | --- | --- | --- | --- |
| doa | – | 0.400 (0.350 to 0.450) | – | 0.500 (0.400 to 0.600) | 15.0 (15.0 to 20.0) | – |
| mean of doa, sce | 0.300 | – | – | – | – | 0.250 (0.200 to 0.300) |
| **only door** |  |  |  |  |  |  |
| doa | – | 0.600 (0.500 to 0.700) | – | 0.500 (0.400 to 0.600) | 15.0 (15.0 to 20.0) | – |
| mean of doa, sce | 0.300 | – | – | – | – | 0.250 (0.200 to 0.300) |

### tiny: official counting

| system | F20/1 | F20 | F1 | F of class | DOAE (°) | RDE |
| --- | --- | --- | --- | --- | --- | --- |
| doa | – | 0.480 (0.470 to 0.490) | – | 0.500 (0.400 to 0.600) | 15.0 (15.0 to 20.0) | – |
| mean of doa, sce | 0.300 | – | – | – | – | 0.250 (0.200 to 0.300) |
| **only door** |  |  |  |  |  |  |
| doa | – | 0.600 (0.500 to 0.700) | – | 0.500 (0.400 to 0.600) | 15.0 (15.0 to 20.0) | – |
| mean of doa, sce | 0.300 | – | – | – | – | 0.250 (0.200 to 0.300) |

### tiny: skill

| system | DOAE (°) | the side only (°) | skill of azimuth | RDE | one distance per class \
| skill of distance | slope of log distance | rank correlation of distance |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| doa | 15.0 (12.0 to 18.0) | 20.0 (19.0 to 21.0) | 0.250 (0.100 to 0.400) | – | – | – | – | – |
| mean of doa, sce | 15.0 (12.0 to 18.0) | 20.0 (19.0 to 21.0) | 0.250 (0.100 to 0.400) | – | – | – | – | – |

Azimuth that is heard, medians in degrees towards the true side, and how often the other side is, by the
true azimuth; here and in the pictures of frames with one source of the class:

| system | 0–15° | 15–30° | 30–45° | 45–60° | 60–75° | 75–90° |
| --- | --- | --- | --- | --- | --- | --- |
| *true* | – | – | 37 | – | – | – |
| doa | – | – | 46 (5%) | – | – | – |
| mean of doa, sce | – | – | 46 (5%) | – | – | – |

![azimuth heard over azimuth true: medians and quartiles](images/results-tiny-azimuth.svg)

![distance heard over distance true: medians and quartiles](images/results-tiny-distance.svg)

### tiny: ensembles less one backend

✓ where the whole interval lies above 0, that of an error below.

| ensemble | less | score | strict |  | official |  |
| --- | --- | --- | --- | --- | --- | --- |
| mean of doa, sce | doa | F20 | +0.050 (+0.001 to +0.100) | ✓ | +0.020 (-0.030 to +0.070) |  |
| mean of doa, sce | sce | F20/1 | -0.020 (-0.100 to +0.060) |  | -0.020 (-0.100 to +0.060) |  |

| ensemble | less | skill | difference |  |
| --- | --- | --- | --- | --- |
| mean of doa, sce | doa | DOAE (°) | -1.0 (-1.5 to -0.5) | ✓ |

### tiny: by class

Strict counting. *Groups* are the speakers, things or recordings that sound in this set, *sound* is what
there is of them, *frames* are those in which a source of the class is active, counted once for each source.
*Ensemble* is mean of doa, sce, of all the one with the highest F20/1 on tiny.
\\* fewer than 5 groups or less than 60 s of sound: the scores describe these sounds more than the class.

| class | groups | sound (s) | frames | F20/1, ensemble | F20, doa | DOAE (°), ensemble | RDE, ensemble |
| --- | --- | --- | --- | --- | --- | --- | --- |
| door | 7 | 61 | 1,200 | 0.123 | 0.123 | 0.1 | 0.123 |
| knock \\* | 4 | 80 | 0 | – | – | – | – |

### tiny: by condition

Of mean of doa, sce, strict counting, all classes pooled. *Found* is the share of the true sources that have a
partner within the limits of F20/1; false alarms have no true distance or azimuth: there is no F by these.

| condition | sources | F20/1 | found | DOAE (°) | RDE | rank correlation of distance |
| --- | --- | --- | --- | --- | --- | --- |
| RT60 to 0.3 s | 1,200 | 0.300 (0.200 to 0.400) | 0.500 | 14.0 | – | – |
| distance from 3.5 m | 30 | – | 0.500 | 14.0 | – | – |

### tiny: doubts

How many errors of events are within the standard deviation that a system states, of azimuth and of the
logarithm of the distance (68% where errors are normal), and how often happens what it says
with some probability; what it says with less than 0.05 is left out:

| system | azimuth | distance | said → happens |
| --- | --- | --- | --- |
| doa | 70.0% | – | 0.70 → 0.65 |
| mean of doa, sce | 70.0% | – | 0.70 → 0.65 |
"""


def test_the_tables_of_a_small_result() -> None:
    assert results.tables(document()) == PAGE


def test_what_people_wrote_survives_and_old_tables_do_not() -> None:
    page = "# Title\n\nBefore.\n\n<!-- made by make results -->\nold\n<!-- end -->\n\nAfter | all.\n"
    new = results.renew(page, results.tables(document()))
    assert new.startswith("# Title\n\nBefore.\n\n<!-- made by make results -->\n\n`python -m benchmarks results")
    assert new.endswith("\n<!-- end -->\n\nAfter | all.\n")
    assert "old" not in new
    assert results.renew(new, results.tables(document())) == new


@pytest.mark.parametrize("page", ["# Title\n", "<!-- made by make results -->\n", "<!-- end -->\n"])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(
        ValueError, match="expected the lines <!-- made by make results --> and <!-- end --> in the page"
    ):
        results.renew(page, results.tables(document()))


@pytest.mark.parametrize(("low", "marked"), [(0.001, True), (0.0, False), (-0.1, False), (None, False)])
def test_only_intervals_above_nothing_are_marked(low: float | None, marked: bool) -> None:
    result = document()
    measured = result["sets"]["tiny"]["strict"]
    measured["differences"][0]["difference"] = spread(0.05, low, low and 0.1)
    (line,) = [
        line for line in results.tables(result).splitlines() if line.startswith("| mean of doa, sce | doa | F20")
    ]
    assert (line.split("|")[5].strip() == "✓") == marked


def test_without_ensembles_or_classes_of_few_sounds_the_page_does_without_them() -> None:
    result = document()
    result["sets"]["tiny"]["classes"]["few"] = [False, False]
    result["systems"] = result["systems"][:1]
    tables = results.tables(result)
    assert "**only" not in tables
    assert "\\*" not in tables
    assert "| class | groups | sound (s) | frames | F20, doa |" in tables


def test_the_pictures_hold_the_systems_and_the_guesses(tmp_path: Path) -> None:
    skill.write_pictures(document(), results.list_shown(document()), tmp_path)
    azimuth, distance = (ElementTree.parse(tmp_path / f"results-tiny-{field}.svg") for field in skill.FIELDS)
    names = [[text.text for text in picture.iter(f"{SVG}text")] for picture in (azimuth, distance)]
    assert names[0][-4:] == ["as it is", "the side only", "doa", "mean of doa, sce"]
    assert names[1][-3:] == ["as it is", "the best constant", "mean of doa, sce"]
    before = (tmp_path / "results-tiny-distance.svg").read_bytes()
    skill.write_pictures(document(), results.list_shown(document()), tmp_path)
    assert (tmp_path / "results-tiny-distance.svg").read_bytes() == before


def test_points_stand_where_their_values_are_and_beyond_the_ends_at_the_end() -> None:
    axis = Axis("distance (m)", 0.5, 8.0, (1, 2, 4, 8), log=True)
    picture = ElementTree.fromstring(plot(axis, axis, [], [(0.5, 0.1), (2.0, 2.0), (8.0, 99.0)]))
    (line,) = [path.get("d") for path in picture.iter(f"{SVG}path") if "#d6492a" in (path.get("style") or "")]
    (left, low), (x, y), (right, high) = (map(float, part.split()) for part in line.replace("L", "M").split("M")[1:])
    assert x == pytest.approx((left + right) / 2, abs=0.01)
    assert y == pytest.approx((low + high) / 2, abs=0.01)


# The cards


def checkpoint_of(folder: Path, card: str) -> dict[str, Any]:
    """A checkpoint beside the result that was measured of it."""
    (folder / "doa-x").mkdir()
    (folder / "doa-x" / "model.safetensors").write_bytes(b"weights")
    (folder / "doa-x" / "README.md").write_text(card)
    digest = hashlib.blake2b(b"weights", digest_size=16).hexdigest()
    return document() | {"backends": {"doa": {"checkpoint": {"doa-x/model.safetensors": digest}}}}


def test_the_skill_is_written_into_a_card_once_and_the_rest_stays(tmp_path: Path) -> None:
    result = checkpoint_of(tmp_path, "# doa\n\nWritten by hand.\n")
    (card,) = cards.renew_cards(result, tmp_path)
    text = card.read_text()
    assert text.startswith(f"# doa\n\nWritten by hand.\n\n{cards.BEGIN}\n\nWhat it knows beyond")
    assert "| skill of azimuth | 0.250 (0.100 to 0.400) |" in text
    assert "| azimuth heard where 30–45° is true, median (°) | 46.0 (40.0 to 52.0) |" in text
    assert "where 0–15°" not in text
    assert "RDE" not in text
    card.write_text(text.replace("0.250", "0.111") + "\nAfter.\n")
    cards.renew_cards(result, tmp_path)
    assert card.read_text() == text + "\nAfter.\n"


def test_a_card_is_not_written_for_other_weights_than_were_measured(tmp_path: Path) -> None:
    result = checkpoint_of(tmp_path, "# doa\n")
    (tmp_path / "doa-x" / "model.safetensors").write_bytes(b"others")
    with pytest.raises(ValueError, match=r"expected the weights that were measured, .*python -m benchmarks results"):
        cards.renew_cards(result, tmp_path)


def test_the_page_that_ships_shows_the_result_that_ships() -> None:
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    result = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    assert results.renew(page, results.tables(result)) == page
