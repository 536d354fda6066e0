"""The whole run, with random weights: what goes in, what comes out, what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
import torch
from worlds import BACKENDS, THREE, call, noise, save_random

import seldfuse
from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import CheckpointError, MediaError, PluginError
from seldfuse.inference.clips import LoadedBackends, infer_clips
from seldfuse.media.encode import write_wav


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`--backends` for three tiny models of three classes."""
    root = tmp_path_factory.mktemp("three")
    return ",".join(f"{name}@{save_random(root / name, name, THREE)}" for name in BACKENDS)


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fusion settings by which even untrained models hear something."""
    path = tmp_path_factory.mktemp("fusion") / "eager.toml"
    path.write_text("[decode]\nthreshold = 0.05\n")
    return str(path)


def only(backends: str, name: str) -> str:
    return next(part for part in backends.split(",") if part.startswith(name))


def test_the_whole_engine_runs_with_three_classes(three: str, eager: str, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(7.25))
    (result,) = seldfuse.run(tmp_path / "a.wav", three, fusion=eager)
    assert result.posterior.labels.names == THREE.names
    assert result.posterior.activity.shape == (1, 73, 3, 1)
    assert result.posterior.provides[:3] == ("activity", "direction", "distance")
    assert result.duration_s == pytest.approx(7.25)
    assert set(result.events.table["cls"]) <= {0, 1, 2}
    assert len(result.events)


def test_a_long_recording_says_what_its_windows_say(three: str) -> None:
    """Where windows do not overlap nothing is cross-faded."""
    samples = noise(13.0)
    whole, first = (
        next(_hear([Clip("x", ArrayAudio(audio))], three)).posteriors for audio in (samples, samples[:, : 5 * 24_000])
    )
    for name, posterior in whole.items():
        assert posterior.frames == 130
        assert torch.allclose(posterior.activity[:, :40], first[name].activity[:, :40], atol=1e-5)


def test_clips_that_share_a_batch_do_not_touch_each_other(three: str) -> None:
    clips = [Clip(str(seed), ArrayAudio(noise(2.0 + 3 * seed, seed))) for seed in range(4)]
    together = {heard.name: heard.posteriors for heard in _hear(clips, three)}
    assert list(together) == ["0", "1", "2", "3"]
    for clip in clips:
        (alone,) = _hear([clip], three)
        for name, posterior in alone.posteriors.items():
            assert torch.allclose(posterior.activity, together[clip.name][name].activity, atol=1e-5)


def _hear(clips: list[Clip], backends: str):
    from seldfuse.inference.load import load_backends

    return infer_clips(clips, load_backends(backends, "cpu"), RunStats(), _fail)


def _fail(clip: Clip, error: Exception) -> None:
    raise AssertionError(f"{clip.name}: {error}")


class Stubborn:
    """A backend that says what the test wants."""

    features: tuple[str, ...] = ()
    encoders: Mapping[str, str] = {}  # noqa: RUF012

    def __init__(self, posterior: Posterior | Exception) -> None:
        self.posterior = posterior

    def infer(self, _batch):
        if isinstance(self.posterior, Exception):
            raise self.posterior
        return self.posterior


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (ValueError("no"), r"the backend bad failed \(ValueError: no\); leave it out of --backends"),
        (Posterior(torch.rand(1, 49, 13, 1)), r"must give \(windows, frames\) = \(1, 50\), gave \(1, 49\)"),
        (Posterior(torch.full((1, 50, 13, 1), torch.nan)), "gave values of activity that are not numbers"),
    ],
)
def test_a_backend_that_breaks_its_promise_is_named(said, message: str) -> None:
    ears = LoadedBackends({"bad": Stubborn(said)}, (), torch.device("cpu"))
    with pytest.raises(PluginError, match=message):
        list(infer_clips([Clip("x", ArrayAudio(noise(5.0)))], ears, RunStats(), _fail))


def test_checkpoints_of_other_classes_do_not_mix(three: str, tmp_path: Path) -> None:
    other = save_random(tmp_path / "other", "sce", DCASE2025)
    write_wav(tmp_path / "a.wav", noise(1.0))
    with pytest.raises(CheckpointError, match=r"the checkpoints know different classes: .* has hiss, tone, tick; sce@"):
        list(seldfuse.run(tmp_path / "a.wav", f"{only(three, 'doa')},sce@{other}"))


def test_a_bad_file_raises_in_the_library_unless_somebody_listens(three: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    write_wav(tmp_path / "b.wav", noise(1.0))
    with pytest.raises(MediaError, match=r"a\.wav"):
        list(seldfuse.run(tmp_path, three))
    failures: list[str] = []
    results = list(seldfuse.run(tmp_path, three, on_failure=lambda clip, _: failures.append(clip.name)))
    assert (failures, [result.name for result in results]) == (["a"], ["b"])


def test_run_writes_csv_json_and_posteriors(three: str, eager: str, tmp_path: Path, capsys) -> None:
    write_wav(tmp_path / "in" / "deep" / "a.wav", noise(3.0))
    out = tmp_path / "out"
    assert (
        call("run", str(tmp_path / "in"), "--backends", three, "--fusion", eager, "-o", str(out), "--save-posteriors")
        == 0
    )
    shown = capsys.readouterr()
    assert "deep/a (3.0 s)" in shown.out
    assert "× real time" in shown.err
    assert str(out) in shown.err
    table = pd.read_csv(out / "deep" / "a.csv")
    assert list(table.columns) == ["frame", "class", "source", "azimuth", "distance", "onscreen"]
    document = json.loads((out / "deep" / "a.json").read_text())
    assert document["labels"] == list(THREE.names)
    assert len(document["events"]) > 0
    saved = sorted(path.relative_to(out / "posteriors").as_posix() for path in out.rglob("*.safetensors"))
    assert len(saved) == 3
    assert all(path.endswith("deep/a.safetensors") for path in saved)
    assert Posterior.load(out / "posteriors" / saved[0]).frames == 30


def test_json_goes_to_stdout_and_nothing_else_does(three: str, eager: str, tmp_path: Path, capsys) -> None:
    write_wav(tmp_path / "a.wav", noise(1.0))
    assert (
        call("run", str(tmp_path / "a.wav"), "--backends", three, "--fusion", eager, "-o", str(tmp_path), "--json") == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert [result["name"] for result in document["results"]] == ["a"]
    assert document["failures"] == []


def test_distance_alone_gives_json_and_says_which_backend_would_give_directions(
    three: str, eager: str, tmp_path: Path, capsys
) -> None:
    write_wav(tmp_path / "a.wav", noise(1.0))
    arguments = (
        "run",
        str(tmp_path / "a.wav"),
        "--backends",
        only(three, "sde"),
        "--fusion",
        eager,
        "-o",
        str(tmp_path / "o"),
    )
    assert call(*arguments) == 2
    assert "it needs the direction of every event" in (said := capsys.readouterr().err)
    assert "Add one that does (baseline, cmc, mvanet, doa, sce), or leave the format out with --formats json" in said
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a.json", "manifest.jsonl"]
    events = json.loads((tmp_path / "o" / "a.json").read_text())["events"]
    assert all(event["azimuth_deg"] is None and event["distance_m"] > 0 for event in events)
    assert call(*arguments, "--formats", "json") == 0
    assert call(*arguments, "--formats", "dcase") == 2


def test_without_a_distance_each_class_gets_its_typical_one_and_the_summary_says_so(
    three: str, eager: str, tmp_path: Path, capsys
) -> None:
    write_wav(tmp_path / "a.wav", noise(1.0))
    assert (
        call("run", str(tmp_path / "a.wav"), "--backends", only(three, "doa"), "--fusion", eager, "-o", str(tmp_path))
        == 0
    )
    assert "no backend tells the distance: each class got its typical one" in capsys.readouterr().err
    assert set(pd.read_csv(tmp_path / "a.csv")["distance"]) == {200}


def test_some_failed_is_1_all_failed_is_the_causes_own_code(three: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    write_wav(tmp_path / "good.wav", noise(1.0))
    common = ("--backends", three, "-o", str(tmp_path / "o"))
    assert call("run", str(tmp_path / "bad.wav"), str(tmp_path / "good.wav"), *common) == 1
    assert (tmp_path / "o" / "good.csv").is_file()
    assert call("run", str(tmp_path / "bad.wav"), *common) == 4
    assert call("run", str(tmp_path / "bad.wav"), str(tmp_path / "good.wav"), *common, "--fail-fast") == 4
    assert "1 failed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.wav"], 4, "nowhere.wav"),
        (["@demo", "--backends", "doas"], 3, "did you mean 'doa'?"),
        (["@demo", "--backends", "doa@nowhere"], 5, "there is no checkpoint 'nowhere'"),
        (["@demo", "--fusion", "median"], 2, "--fusion expects mean, nercslip, tuned, or a TOML file, got 'median'"),
        (["@demo", "--formats", "xml"], 3, "there is no writer 'xml'"),
        (["@demo", "--device", "cuda:9"], 2, "--device cuda:9: this machine shows"),
        (["@demo", "--device", "abacus"], 2, "--device expects auto, cpu, cuda, cuda:N or mps, got 'abacus'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(
    arguments: list[str], code: int, message: str, tmp_path: Path, capsys
) -> None:
    assert call("run", *arguments, "-o", str(tmp_path / "o")) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_fuse_gives_from_saved_posteriors_what_run_gave(three: str, eager: str, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(6.0))
    common = ("--fusion", eager, "-o")
    assert (
        call("run", str(tmp_path / "a.wav"), "--backends", three, *common, str(tmp_path / "ran"), "--save-posteriors")
        == 0
    )
    folders = sorted(path.parent for path in (tmp_path / "ran" / "posteriors").rglob("a.safetensors"))
    assert call("fuse", *map(str, folders), *common, str(tmp_path / "fused")) == 0
    assert (tmp_path / "fused" / "a.csv").read_text() == (tmp_path / "ran" / "a.csv").read_text()


def test_fuse_takes_plain_tables_as_votes(tmp_path: Path, capsys) -> None:
    header = "frame,class,source,azimuth,distance,onscreen\n"
    votes = {
        "one": "0,3,0,10,100,0\n1,3,0,10,100,0\n",
        "two": "0,3,0,20,100,0\n",
        "three": "0,3,0,30,100,0\n1,5,0,0,50,0\n",
    }
    for system, rows in votes.items():
        (tmp_path / system).mkdir()
        (tmp_path / system / "a.csv").write_text(header + rows)
    (tmp_path / "one" / "b.csv").write_text(header + "4,0,0,-40,150,0\n")
    assert call("fuse", *(str(tmp_path / system) for system in votes), "-o", str(tmp_path / "out")) == 0
    assert (tmp_path / "out" / "a.csv").read_text() == header + "0,3,0,20,100,0\n"
    assert (tmp_path / "out" / "b.csv").read_text() == header + "4,0,0,-40,150,0\n"
    assert "b is missing from two, three, which abstain" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["empty"], "the folder holds neither posteriors"),
        (["gone"], "expected a folder of posteriors"),
        (["x/a", "y/a"], "two folders have one name"),
    ],
)
def test_folders_that_cannot_be_fused_are_refused(folders: list[str], message: str, tmp_path: Path, capsys) -> None:
    for name in ("empty", "x/a", "y/a"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("x/a", "y/a"):
        (tmp_path / name / "c.csv").write_text("frame,class,source,azimuth,distance,onscreen\n")
    assert call("fuse", *(str(tmp_path / name) for name in folders), "-o", str(tmp_path / "o")) == 2
    assert message in capsys.readouterr().err
