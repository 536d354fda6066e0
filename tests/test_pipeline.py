"""The whole run, with random weights: what goes in, what comes out, what is refused."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from worlds import BACKENDS, THREE, call, film, noise, save_random, write_pcm

import seldfuse
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.catalogue.values import API_VERSION, Detector, PostProcessor
from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.detections import Detections
from seldfuse.core.events import Events
from seldfuse.core.label_sets import labels_to_toml
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rule, Rules
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import CheckpointError, MediaError, PluginError, UsageError
from seldfuse.inference.clips import LoadedBackends, infer_clips
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.encode import write_wav

EAGER = {"decode": {"threshold": 0.05}}
"""Fusion settings by which even untrained models find something."""


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
    encoders: Mapping[str, str] = {}

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
        (None, "the backend bad must give a Posterior, gave NoneType"),
    ],
)
def test_a_backend_that_breaks_its_promise_is_named(said, message: str) -> None:
    ears = LoadedBackends({"bad": Stubborn(said)}, (), torch.device("cpu"))
    with pytest.raises(PluginError, match=message):
        list(infer_clips([Clip("x", ArrayAudio(noise(5.0)))], ears, RunStats(), _raise))


def _raise(_clip: Clip, error: Exception) -> None:
    raise error


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


@pytest.fixture(scope="module")
def pipeline(three: str) -> seldfuse.Pipeline:
    """One tiny model that finds something nearly everywhere."""
    return seldfuse.Pipeline(only(three, "sce"), fusion=EAGER, device="cpu")


def test_a_pipeline_that_is_called_again_loads_nothing_again(
    pipeline: seldfuse.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = noise(1.0)
    first = pipeline(samples, sample_rate_hz=24_000)
    known, model = set(sys.modules), pipeline.backends.backends

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("loaded anew")

    monkeypatch.setattr("seldfuse.checkpoint.open_checkpoint", refuse)
    monkeypatch.setattr("seldfuse.checkpoint._read_weights", refuse)
    monkeypatch.setattr(BackendRequest, "load", refuse)
    monkeypatch.setattr("seldfuse.inference.load.load_encoder", refuse)
    monkeypatch.setattr("seldfuse.settings.toml.read_table", refuse)
    second = pipeline(samples, sample_rate_hz=24_000)
    assert second.events.table.equals(first.events.table)
    assert pipeline.backends.backends is model
    assert set(sys.modules) == known


def test_one_recording_gives_one_result_whatever_holds_it(pipeline: seldfuse.Pipeline, tmp_path: Path) -> None:
    samples = noise(2.5)
    write_pcm(tmp_path / "a.wav", samples)
    clip = Clip("mine", ArrayAudio(samples))
    results = [
        pipeline(tmp_path / "a.wav"),
        pipeline(str(tmp_path / "a.wav")),
        pipeline(clip),
        pipeline(samples, sample_rate_hz=24_000),
        pipeline(torch.from_numpy(samples), sample_rate_hz=24_000, name="tensor"),
        pipeline(torch.from_numpy(samples).double().requires_grad_(), sample_rate_hz=24_000),
    ]
    assert [result.name for result in results] == ["a", "a", "mine", "clip", "tensor", "clip"]
    for result in results:
        pd.testing.assert_frame_equal(result.events.table, results[0].events.table)
    assert len(results[0].events) > 0


def test_integers_and_other_rates_are_converted(pipeline: seldfuse.Pipeline, tmp_path: Path) -> None:
    integers = (noise(2.5) * 32768).astype(np.int16)
    exact = (integers / 32768).astype(np.float32)
    found = pipeline(integers, sample_rate_hz=24_000).posterior.activity
    assert torch.equal(found, pipeline(exact, sample_rate_hz=24_000).posterior.activity)
    assert torch.equal(found, pipeline(torch.from_numpy(integers), sample_rate_hz=24_000).posterior.activity)
    wide = integers.astype(np.int32) * 65536
    assert torch.equal(found, pipeline(wide, sample_rate_hz=24_000).posterior.activity)

    double_rate = np.repeat(exact, 2, axis=1)
    write_pcm(tmp_path / "a.wav", double_rate, rate_hz=48_000)
    given, read = pipeline(double_rate, sample_rate_hz=48_000), pipeline(tmp_path / "a.wav")
    assert given.duration_s == read.duration_s == pytest.approx(2.5)
    torch.testing.assert_close(given.posterior.activity, read.posterior.activity, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (np.zeros((24_000, 2), np.float32), 24_000, r"expected samples as \(channel, sample\), such as .*\(24000, 2\)"),
        (np.zeros((1, 2, 9), np.float32), 24_000, r"expected samples as \(channel, sample\), .*got \(1, 2, 9\)"),
        (np.zeros((2, 0), np.float32), 24_000, r"expected samples as \(channel, sample\), .*got \(2, 0\)"),
        (np.zeros((2, 24_000), np.float32), None, "expected sample_rate_hz beside samples, .* got None"),
        (np.zeros((2, 24_000), np.float32), 0, "expected sample_rate_hz beside samples, .* got 0"),
        (np.full((2, 24_000), np.nan), 24_000, "expected finite samples, got NaN or Inf"),
        (np.zeros((2, 24_000), np.uint8), 24_000, "expected samples that are floats or signed integers.* got uint8"),
        (torch.zeros(2, 24_000, dtype=torch.bool), 24_000, "expected samples that are floats .* got bool"),
    ],
)
def test_samples_that_cannot_be_meant_are_refused(pipeline, samples, rate_hz: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pipeline(samples, sample_rate_hz=rate_hz)


@pytest.mark.parametrize("shape", [(24_000,), (1, 24_000)])
def test_mono_samples_give_classes_where_that_is_wanted(pipeline: seldfuse.Pipeline, shape: tuple[int, ...]) -> None:
    mono = noise(1.0)[0].reshape(shape)
    with pytest.raises(MediaError, match="one channel cannot be localised"):
        pipeline(mono, sample_rate_hz=24_000)
    result = pipeline(mono, sample_rate_hz=24_000, channels=ChannelSelection(assume_mono=True))
    assert result.posterior.provides == ("activity",)
    assert len(result.events) > 0


def test_channels_of_samples_are_chosen(pipeline: seldfuse.Pipeline) -> None:
    left, right = noise(1.0)
    four = np.stack([left * 0, right, left * 0, left])
    with pytest.raises(MediaError, match="expected stereo, got 4 channels"):
        pipeline(four, sample_rate_hz=24_000)
    chosen = pipeline(four, sample_rate_hz=24_000, channels=ChannelSelection((3, 1)))
    plain = pipeline(np.stack([left, right]), sample_rate_hz=24_000)
    pd.testing.assert_frame_equal(chosen.events.table, plain.events.table)


def test_a_long_array_does_what_a_long_file_does(pipeline: seldfuse.Pipeline, tmp_path: Path) -> None:
    samples = noise(11.0)
    write_pcm(tmp_path / "a.wav", samples)
    given, read = pipeline(samples, sample_rate_hz=24_000), pipeline(tmp_path / "a.wav")
    pd.testing.assert_frame_equal(given.events.table, read.events.table)
    assert given.notes == read.notes


def test_several_give_an_iterator_in_their_order(pipeline: seldfuse.Pipeline, tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_wav(tmp_path / "in" / f"{name}.wav", noise(0.5))
    write_wav(tmp_path / "last.wav", noise(0.5))
    clip = Clip("mine", ArrayAudio(noise(0.5)))

    def names(inputs) -> list[str]:
        results = pipeline(inputs)
        assert isinstance(results, Iterator)
        return [result.name for result in results]

    assert names(tmp_path / "in") == ["a", "b"]
    assert names(str(tmp_path / "in" / "*.wav")) == ["a", "b"]
    assert names((tmp_path / "in").glob("a.wav")) == ["a"]
    assert names([tmp_path / "last.wav", clip, tmp_path / "in"]) == ["last", "mine", "a", "b"]
    assert names([clip]) == ["mine"]


def test_a_failure_among_several_is_told_and_that_of_one_raises(pipeline: seldfuse.Pipeline, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    write_wav(tmp_path / "b.wav", noise(0.5))
    failed: list[str] = []
    results = pipeline(tmp_path, on_failure=lambda clip, _: failed.append(clip.name))
    assert ([result.name for result in results], failed) == (["b"], ["a"])
    with pytest.raises(MediaError, match=r"a\.wav"):
        list(pipeline(tmp_path))
    with pytest.raises(MediaError, match=r"a\.wav"):
        pipeline(tmp_path / "a.wav", on_failure=lambda clip, _: failed.append(clip.name))
    assert failed == ["a"]


def test_inputs_that_cannot_be_meant_are_refused(pipeline: seldfuse.Pipeline, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected at least one file, folder, pattern or Clip, got none"):
        pipeline([])
    with pytest.raises(UsageError, match=r"in a list, got ndarray; give samples alone"):
        pipeline(iter([noise(0.5)]))
    with pytest.raises(MediaError, match=r"nowhere\.wav"):
        pipeline(tmp_path / "nowhere.wav")
    with pytest.raises(UsageError, match="no sound or video file"):
        pipeline(tmp_path)


def test_backends_are_a_text_or_a_list(three: str, tmp_path: Path) -> None:
    names = three.split(",")[:2]
    samples = noise(1.0)
    listed, typed = (
        seldfuse.Pipeline(backends, fusion=EAGER, device="cpu")(samples, sample_rate_hz=24_000)
        for backends in (names, ",".join(names))
    )
    assert listed.backends == typed.backends == tuple(names)
    pd.testing.assert_frame_equal(listed.events.table, typed.events.table)


def test_a_dictionary_means_what_a_toml_file_does(three: str, eager: str) -> None:
    sce, samples = only(three, "sce"), noise(1.0)
    by_table, by_file, plain = (
        seldfuse.Pipeline(sce, fusion=fusion, device="cpu")(samples, sample_rate_hz=24_000)
        for fusion in (EAGER, eager, "mean")
    )
    pd.testing.assert_frame_equal(by_table.events.table, by_file.events.table)
    assert len(by_table.events) > len(plain.events)
    with pytest.raises(UsageError, match="loudness"):
        seldfuse.Pipeline(sce, fusion={"loudness": 1}, device="cpu")
    vision = seldfuse.Pipeline(sce, vision={"mode": "rules"}, device="cpu").vision
    assert vision.mode == "rules"
    with pytest.raises(UsageError, match="loudness"):
        seldfuse.Pipeline(sce, vision={"loudness": 1}, device="cpu")


class FakeDetector:
    """Finds one thing in the middle of each picture, which may be any of three classes."""

    rules = Rules({name: Rule(("thing",)) for name in THREE.names})
    engine_id = "fake"
    cacheable = False

    def detect(self, _clip, frames, _seen) -> Detections:
        return Detections.from_rows([(frame.time_s, "thing", 0.9, 28.0, 14.0, 36.0, 22.0, -1) for frame in frames])


def load_fake_detector(_engine, _device, _rules) -> FakeDetector:
    return FakeDetector()


def load_first_class(options: str | None):
    """Events of the class called `options`, of the first one without."""

    def select(events: Events, clip: Clip) -> Events:
        assert clip.name == "clip"
        cls = events.labels.index(options or "hiss")
        return replace(events, table=events.table[events.table["cls"] == cls].reset_index(drop=True))

    return select


def load_mute(_options):
    return lambda posterior, _clip: replace(posterior, activity=torch.zeros_like(posterior.activity))


def load_relabel(_options):
    return lambda posterior, _clip: replace(posterior, labels=replace(posterior.labels, name="other"))


def load_shorten(_options):
    return lambda posterior, _clip: posterior.map(lambda tensor: tensor[:, 1:])


def load_divide(_options):
    return lambda posterior, _clip: replace(posterior, activity=posterior.activity / 0 * 0)


def load_confused(_options):
    return lambda _value, _clip: "nothing"


def load_failing(_options):
    def fail(_value, _clip):
        raise ValueError("out of order")

    return fail


@pytest.fixture(scope="module")
def registry() -> Registry:
    """What is installed, and a detector and post-processors of this file."""
    common = {"api_version": API_VERSION, "summary": "of a test"}
    kinds = {"first-class": "events", "mute": "posterior", "relabel": "posterior", "shorten": "posterior"}
    kinds["divide"] = "posterior"
    kinds |= {"confused": "events", "failing": "posterior"}
    values = [
        Detector(name="fake", load=f"{__name__}:load_fake_detector", **common),
        *(
            PostProcessor(name=name, load=f"{__name__}:load_{name.replace('-', '_')}", takes=takes, **common)
            for name, takes in kinds.items()
        ),
    ]
    found = load_registry()
    return Registry((*found.entries, *(CatalogueEntry(value, "acme", "1.0") for value in values)), found.failures)


def test_uncorrected_is_what_was_fused_before_detectors_corrected_it(
    three: str, registry: Registry, tmp_path: Path
) -> None:
    film(tmp_path / "a.mp4", 2.0)
    (plain,), (corrected,) = (
        seldfuse.run(tmp_path / "a.mp4", only(three, "sce"), fusion=EAGER, post=post, device="cpu", registry=registry)
        for post in ("", "fake")
    )
    assert plain.uncorrected is plain.posterior
    assert len(plain.changes) == 0
    assert corrected.uncorrected.provides == plain.posterior.provides
    for name, tensor in corrected.uncorrected.tensors().items():
        assert torch.equal(tensor, plain.posterior.tensors()[name]), name
    assert not torch.equal(corrected.posterior.direction, corrected.uncorrected.direction)
    assert len(corrected.changes) > 0


def test_post_processors_change_events_and_posteriors(three: str, registry: Registry) -> None:
    def run(*post: str):
        pipeline = seldfuse.Pipeline(only(three, "sce"), post, fusion=EAGER, device="cpu", registry=registry)
        return pipeline(noise(2.0), sample_rate_hz=24_000)

    plain, first, named, mute = run(), run("first-class"), run("First_Class@tone"), run("mute")
    assert set(plain.events.table["cls"]) == {0, 1, 2}
    for result, cls in ((first, 0), (named, 1)):
        kept = plain.events.table[plain.events.table["cls"] == cls].reset_index(drop=True)
        pd.testing.assert_frame_equal(result.events.table, kept)
        assert torch.equal(result.posterior.activity, plain.posterior.activity)
    assert len(mute.events) == 0
    assert mute.posterior.activity.max() == 0
    assert torch.equal(mute.uncorrected.activity, plain.posterior.activity)
    assert len(run("mute", "first-class").events) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("confused", "the post-processor confused must give Events, gave str"),
        ("divide", "the post-processor divide gave values of activity that are not numbers"),
        ("relabel", "the post-processor relabel must keep the labels and the hop of what it changes"),
        ("shorten", r"the post-processor shorten must keep \(clips, frames\) = \(1, 10\), gave \(1, 9\)"),
        ("failing", r"the post-processor failing failed \(ValueError: out of order\); leave it out of --post"),
        ("nobody", "'nobody'"),
    ],
)
def test_a_post_processor_that_breaks_its_promise_is_named(
    three: str, registry: Registry, name: str, message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        seldfuse.Pipeline(only(three, "sce"), name, device="cpu", registry=registry)(noise(1.0), sample_rate_hz=24_000)


def test_values_are_shown_in_a_line(pipeline: seldfuse.Pipeline) -> None:
    result = pipeline(noise(2.0), sample_rate_hz=24_000)
    labels = LabelSet("many", tuple(Label(f"class_{number}", f"Class {number}") for number in range(99)))
    every = Events(pd.DataFrame({"frame": 0, "cls": range(99)}), labels)
    things = Detections.from_rows([(0.0, f"thing {number}", 0.5, 0.0, 0.0, 1.0, 1.0, -1) for number in range(99)])
    for value in (result, result.posterior, result.events, every, things, Detections.from_rows([])):
        assert repr(value).startswith(f"{type(value).__name__}(")
        assert len(repr(value)) < 200
        assert "\n" not in repr(value)
    assert repr(every).endswith("class_3, class_4 and 94 more)")


def test_segments_name_their_classes(pipeline: seldfuse.Pipeline) -> None:
    segments = pipeline(noise(2.0), sample_rate_hz=24_000).events.segments()
    assert segments["class"].tolist() == [THREE.names[cls] for cls in segments["cls"]]
    assert set(segments["class"]) <= set(THREE.names)


def test_load_gives_one_backend(three: str) -> None:
    model = seldfuse.load(only(three, "sce"), device="cpu")
    assert model.features == ("logmel", "intensity")
    assert dict(model.encoders) == {}
    with pytest.raises(PluginError, match="did you mean 'sce'"):
        seldfuse.load("sces")


def test_evaluate_scores_one_folder_against_another(tmp_path: Path) -> None:
    header = "frame,class,source,azimuth,distance,onscreen\n"
    for folder, azimuth_deg in (("truth", 10), ("same", 10), ("turned", 60)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text(header + f"0,3,0,{azimuth_deg},100,0\n1,3,0,{azimuth_deg},100,0\n")
    same, turned = (
        seldfuse.evaluate(tmp_path / folder, str(tmp_path / "truth"), mode="strict", average="micro")
        for folder in ("same", "turned")
    )
    assert (same.f20, same.doae_deg) == (1.0, 0.0)
    assert (turned.f20, turned.doae_deg) == (0.0, pytest.approx(50.0))
    with pytest.raises(UsageError):
        seldfuse.evaluate(tmp_path / "nowhere", tmp_path / "truth")


def test_fuse_gives_the_results_of_folders(tmp_path: Path) -> None:
    header = "frame,class,source,azimuth,distance,onscreen\n"
    for system, azimuth_deg in (("one", 10), ("two", 20), ("three", 30)):
        (tmp_path / system).mkdir()
        (tmp_path / system / "a.csv").write_text(header + f"0,3,0,{azimuth_deg},100,0\n")
    folders = [tmp_path / "one", str(tmp_path / "two"), tmp_path / "three"]
    (result,) = seldfuse.fuse(folders, fusion={"preset": "mean"})
    assert (result.name, result.backends) == ("a", ("one", "two", "three"))
    assert result.uncorrected is result.posterior
    assert result.frames.table["azimuth_deg"].round(3).tolist() == [20.0]
    (alone,) = seldfuse.fuse(tmp_path / "one")
    assert alone.frames.table["azimuth_deg"].round(3).tolist() == [10.0]
    with pytest.raises(UsageError, match="expected at least one folder of posteriors or of DCASE CSV files, got none"):
        list(seldfuse.fuse([]))


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
    labels = tmp_path / "three.toml"
    labels.write_text(labels_to_toml(THREE))
    options = ("--backends", only(three, "doa"), "--fusion", eager, "--labels", str(labels), "-o", str(tmp_path))
    assert call("run", str(tmp_path / "a.wav"), *options) == 0
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
        (
            ["@demo", "--fusion", "median"],
            2,
            "--fusion expects auto, tuned, mean, nercslip, or a TOML file, got 'median'",
        ),
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


def test_features_are_those_of_the_registry_that_is_given() -> None:
    registry = load_registry()
    without = Registry(tuple(entry for entry in registry.entries if entry.value.name != "logmel"))
    pipeline = seldfuse.Pipeline("baseline", device="cpu", registry=without)
    with pytest.raises(PluginError, match="there is no feature 'logmel'"):
        pipeline("@demo")
