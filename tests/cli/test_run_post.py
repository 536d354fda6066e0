"""Detectors in the whole run: options, files, tables, failures, provenance."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from worlds import THREE, call, film, save_random

import seldfuse
from seldfuse.catalogue import host
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.values import Detector
from seldfuse.cli.changes import build_changes_table
from seldfuse.core.detections import Detections
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rule, Rules
from seldfuse.errors import PluginError, UsageError
from seldfuse.pipeline import Pipeline
from seldfuse.vision.settings import DetectorReliability, VisionSettings

VALUE = Detector(name="fake", api_version=2, summary="sees a thing", load=f"{__name__}:load")
ASKED: list[float] = []
"""The times of the frames that the fake got."""


class Fake:
    """Sees one thing in the middle of each picture, which may be any of three classes."""

    def __init__(self, engine: str | None) -> None:
        self.rules = Rules({name: Rule(("thing",)) for name in THREE.names})
        self.engine_id, self.cacheable, self.engine = f"engine {engine}", True, engine

    def detect(self, _clip: Any, frames: Any, _seen: Any) -> Detections:
        if self.engine == "broken":
            raise ValueError("out of order")
        ASKED.extend(frame.time_s for frame in frames)
        return Detections.from_rows([(frame.time_s, "thing", 0.9, 28.0, 14.0, 36.0, 22.0, -1) for frame in frames])


def load(engine: str | None, _device: torch.device, rules: Path | None) -> Any:
    if engine == "odd":
        return "no detector"
    fake = Fake(engine)
    fake.rules = fake.rules if rules is None else Rules.read(rules, THREE)
    return fake


@pytest.fixture(autouse=True)
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts the fake beside what is installed, under its name, at once; again with other fields when called."""
    ASKED.clear()
    found = host.load_registry()

    def put(**fields: Any) -> None:
        entry = CatalogueEntry(replace(VALUE, **fields), "acme", "1.0")
        with_fake = Registry((*found.entries, entry), found.failures)
        monkeypatch.setattr(host, "load_registry", lambda: with_fake)
        monkeypatch.setattr("seldfuse.pipeline.load_registry", lambda: with_fake)

    put()
    return put


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A backend, fusion by which it hears something, and a video."""
    root = tmp_path_factory.mktemp("world")
    (root / "eager.toml").write_text("[decode]\nthreshold = 0.05\n")
    film(root / "in" / "a.mp4", 3.0)
    sce = f"sce@{save_random(root / 'sce', 'sce', THREE)}"
    return {"backends": sce, "fusion": str(root / "eager.toml"), "video": str(root / "in" / "a.mp4")}


def run(world: dict[str, str], out: Path, *more: str) -> int:
    options = ("--backends", world["backends"], "--fusion", world["fusion"], "-o", str(out), *more)
    return call("run", world["video"], *options)


def test_a_run_looks_corrects_and_tells(world: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    assert run(world, tmp_path, "--post", "fake@good", "--explain") == 0
    shown = capsys.readouterr()
    assert "note: fake@good detects with engine good" in shown.err
    assert "fake@good got 6 pictures" in shown.err
    assert "what the visual correction changed" in shown.out
    changes = pd.read_csv(tmp_path / "a.changes.csv")
    assert list(changes.columns[:3]) == ["frame", "class", "track"]
    assert set(changes["class"]) <= set(THREE.names)
    assert (tmp_path / "detections" / "fake@good" / "a.detections.parquet").is_file()
    assert set(json.loads((tmp_path / "a.json").read_text())["frames"]["columns"]) >= {"onscreen"}


def test_another_fusion_asks_no_detector(world: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    run(world, tmp_path, "--post", "fake")
    asked = len(ASKED)
    assert asked == 6
    other = tmp_path / "other.toml"
    other.write_text("[decode]\nthreshold = 0.06\n")
    assert run({**world, "fusion": str(other)}, tmp_path, "--post", "fake") == 0
    assert len(ASKED) == asked
    assert "fake@engine got" not in capsys.readouterr().err.partition("other.toml")[2]


def test_the_library_corrects_as_the_command_does(world: dict[str, str]) -> None:
    (plain,) = seldfuse.run(world["video"], world["backends"], fusion=world["fusion"])
    (seen,) = seldfuse.run(world["video"], world["backends"], fusion=world["fusion"], post="fake")
    assert plain.posterior.onscreen is None
    assert len(plain.changes) == 0
    assert seen.posterior.onscreen is not None
    assert len(seen.changes) > 0
    assert torch.equal(plain.posterior.activity, seen.posterior.activity)
    assert torch.equal(plain.posterior.distance, seen.posterior.distance)


def test_posteriors_say_where_they_come_from(world: dict[str, str], tmp_path: Path) -> None:
    checkpoint = Path(world["backends"].partition("@")[2])
    network = {
        "backend": "sce",
        "checkpoint": checkpoint.name,
        "weights_sha256": sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()[:16],
        "seldfuse": seldfuse.__version__,
    }
    assert run(world, tmp_path, "--detectors", "fake@good", "--save-posteriors", "--vision", "rules") == 0
    saved = Posterior.load(tmp_path / "posteriors" / world["backends"].replace("/", "_") / "a.safetensors")
    assert saved.provenance == network
    (result,) = seldfuse.run(world["video"], world["backends"], fusion=world["fusion"], post="fake", vision="rules")
    assert result.members[world["backends"]].provenance == network
    assert result.uncorrected.provenance["members"] == {world["backends"]: network}
    assert "vision" not in result.uncorrected.provenance
    told = result.posterior.provenance
    assert told["members"] == {world["backends"]: network}
    assert told["vision"] == {"mode": "rules", "detectors": {"fake": "engine None"}}


def test_a_detector_is_believed_as_it_states_unless_the_settings_name_it(
    world: dict[str, str], register: Callable[..., None]
) -> None:
    stated = {"recall": {"tone": 0.9, "default": 0.4}, "azimuth_std_deg": 3.0}
    register(reliability=stated)
    settings = Pipeline(world["backends"], post="fake@good").corrector.settings
    assert settings.get_reliability("fake@good", "engine good") == DetectorReliability(**stated)
    assert settings.get_reliability("keypoint", "") == VisionSettings.resolve("bayes").get_reliability("keypoint", "")
    named = VisionSettings.from_table({"detectors": {"fake": {"recall": 0.1}, "default": {"recall": 0.2}}})
    settings = Pipeline(world["backends"], post="fake", vision=named).corrector.settings
    assert settings.get_reliability("fake", "engine None").recall == 0.1
    register(reliability={"recall": 7.0})
    with pytest.raises(PluginError, match=r"fake.reliability: recall must be a share from 0 to 1, got 7.0; tell the"):
        Pipeline(world["backends"], post="fake")


def test_what_a_detector_states_changes_the_correction(world: dict[str, str], register: Callable[..., None]) -> None:
    corrected = []
    for recall in (0.05, 0.95):
        register(reliability={"recall": recall})
        (result,) = seldfuse.run(world["video"], world["backends"], fusion=world["fusion"], post="fake")
        corrected.append(result.posterior.onscreen)
    assert not torch.equal(*corrected)


def test_a_broken_detector_is_a_note_and_with_fail_fast_an_end(
    world: dict[str, str], tmp_path: Path, capsys: Any
) -> None:
    assert run(world, tmp_path, "--post", "fake@broken,fake") == 0
    assert "the detector fake@broken failed (ValueError: out of order)" in capsys.readouterr().err
    assert (tmp_path / "a.csv").is_file()
    assert run(world, tmp_path, "--post", "fake@broken", "--overwrite", "--fail-fast") == 3
    with pytest.raises(PluginError, match="out of order"):
        list(seldfuse.run(world["video"], world["backends"], fusion=world["fusion"], post=["fake@broken"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--post", "fake@"), "expected an engine after the @, got 'fake@'; type 'fake' for the first that is ready"),
        (("--post", "fake,fake"), "names the same thing twice"),
        (("--post", "fake", "--rules", "keypoint"), "expects a detector and a file, such as keypoint=rules.toml"),
        (("--post", "fake", "--rules", "door=x.toml"), "--rules for door, but --post has fake"),
        (
            ("--post", "fake", "--rules", "fake=none.toml"),
            "expected a TOML file of rules that can be read (No such file or directory): none.toml",
        ),
        (("--post", "fake", "--vision", "magic"), "--vision expects bayes, rules, or a TOML file, got 'magic'"),
        (("--post", "fake", "--detector-fps", "0"), "--detector-fps expects more than 0 pictures a second, got 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    world: dict[str, str], tmp_path: Path, capsys: Any, options: tuple[str, ...], message: str
) -> None:
    assert run(world, tmp_path, *options) == 2
    assert message in capsys.readouterr().err


def test_something_that_is_no_post_processor_is_named(world: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    assert run(world, tmp_path, "--post", "fake@odd") == 3
    assert (
        "must return an object with rules, engine_id, cacheable and detect(clip, frames, seen), got str without rules, "
        "engine_id, cacheable, detect; tell the makers of acme" in capsys.readouterr().err
    )


def test_rules_of_the_user_s_own_take_the_place_of_the_plugin_s(world: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[tone]\nphrases = ["cat"]\n')
    run(world, tmp_path, "--post", "fake", "--rules", f"fake={tmp_path / 'mine.toml'}", "--explain")
    changes = pd.read_csv(tmp_path / "a.changes.csv")
    assert set(changes["class"]) <= {"tone"}
    assert changes["phrase"].isna().all()


def test_rules_without_a_detector_are_an_error(world: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    assert run(world, tmp_path, "--rules", "fake=mine.toml") == 2
    assert "--rules for fake, but --post has no detector; add it: --post fake" in capsys.readouterr().err


def test_the_table_joins_frames_and_tells_the_greatest_changes_first(world: dict[str, str]) -> None:
    (result,) = seldfuse.run(world["video"], world["backends"], fusion=world["fusion"], post="fake")
    rows = {
        "frame": [3, 4, 5, 9], "cls": [1, 1, 1, 0], "track": 0, "azimuth_deg_before": 10.0,
        "azimuth_deg": [20.0, 20.0, 20.0, 10.0], "onscreen_before": 0.4, "onscreen": [0.9, 0.9, 0.9, 0.3],
        "postprocessor": ["fake", "fake", "fake", ""], "phrase": ["thing", "thing", "thing", ""],
        "thing": [2, 2, 2, -1], "common_cause": [0.8, 0.8, 0.8, float("nan")],
    }  # fmt: skip
    view = build_changes_table(replace(result, changes=pd.DataFrame(rows)))
    assert [list(column.cells) for column in view.columns[:5]] == [
        ["0.3 – 0.6", "0.9 – 1.0"],
        ["tone", "hiss"],
        ["10° left → 20° left", "10° left → 10° left"],
        ["0.40 → 0.90", "0.40 → 0.30"],
        ["thing 2 (fake@engine)", "nothing seen there"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mode = 'magic'", "'magic' is no vision mode"),
        ("looks = 3", "'looks' is no vision setting"),
        ("uninformative_rate = 2", "uninformative_rate must be a share from 0 to 1, got 2"),
        (
            "[detectors.keypoint]\nrecall = { knock = 1.5 }",
            r"detectors.keypoint.recall.knock must be a share from 0 to 1, got 1.5",
        ),
        ("[detectors.keypoint]\nrecal = 1", "did you mean 'recall'"),
        ("smoothing_s = -1", "smoothing_s must be a number, 0 or more, got -1"),
        ("mode = ", "no TOML"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "vision.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        VisionSettings.resolve(path)


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    import tomli_w

    settings = VisionSettings.resolve("rules")
    (tmp_path / "vision.toml").write_text(tomli_w.dumps(settings.to_json()))
    assert VisionSettings.resolve(tmp_path / "vision.toml") == settings
    assert tomllib.loads((tmp_path / "vision.toml").read_text())["mode"] == "rules"
