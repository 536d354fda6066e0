"""A distribution of somebody else brings a directional feature, augmentations and a backend; training takes them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from worlds import call, noise

from seldfuse.catalogue.host import load_registry
from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.features.load import make_batch
from seldfuse.features.stack import find_channel_slices, find_mel_channels, mirror_features, stack_features
from seldfuse.media.encode import write_wav
from seldfuse.synth.bank import CARD, SceneSupply
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.train import setup
from seldfuse.train.augment.amounts import complete_amounts
from seldfuse.train.augment.apply import augment_audio, augment_batch
from seldfuse.train.augment.gain import change_gain
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.recipe import parse_recipe

pytestmark = pytest.mark.usefixtures("here_and_now", "installed")

FEATURES = ("pan", "logmel", "ild")
AMOUNTS = {
    "channel_swap": 0.5, "overlay": 0.5, "band_shift": 0.5, "time_reverse": 0.5, "band_filter": 0.5, "band_limit": 0.5,
    "gain_db": 6.0, "spec_mask": 0.5, "mixup": 0.5, "hiss": 0.5
}  # fmt: skip
NETWORKS: dict[str, dict[str, Any]] = {
    "panner": {"channels": 5, "bins": 64, "hidden": 8},
    "sce": {
        "axes": 2,
        "trunk": {
            "channels": 5, "widths": [4, 4, 8, 8], "pools": [[5, 4], [1, 1], [1, 4], [1, 2]], "projection": 8,
            "dim": 16, "blocks": 1, "heads": 2, "head_dim": 8
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def installed(third_party: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(third_party)
        load_registry.cache_clear()
        yield
    load_registry.cache_clear()
    for name in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "SAMPLE", 8)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Isolated sounds, and labelled clips."""
    root = tmp_path_factory.mktemp("world")
    (root / "clips").mkdir()
    for name in (f"{label}/{group}" for label in ("bell", "knock") for group in "abcde"):
        path = root / "sounds" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, noise(1.0, len(name))[:1])
    for number in range(3):
        write_wav(root / "clips" / f"{number}.wav", noise(5.0, number))
        rows = [f"{frame},{number},0,{30 * number - 30},150,0" for frame in range(10, 40)]
        table = "\n".join(["frame,class,source,azimuth,distance,onscreen", *rows])
        (root / "clips" / f"{number}.csv").write_text(table)
    return root


def recipe(backend: str, world: Path, **changes: Any) -> dict[str, Any]:
    return {
        "features": list(FEATURES),
        "network": NETWORKS[backend],
        "run": {"steps": 2, "batch_size": 4, "validate_every": 2, "ema_decay": 0.0},
        "augment": AMOUNTS,
        "synth": {
            "sounds": str(world / "sounds"), "pool_size": 8, "procedural_sounds": 0, "validation_scenes": 2
        },
        "data": [{"source": "synth"}, {"source": str(world / "clips")}],
        **changes,
    }  # fmt: skip


def train(backend: str, table: dict[str, Any], folder: Path, *more: str) -> int:
    (folder / "recipe.toml").write_text(tomli_w.dumps(table))
    return call("train", backend, "--recipe", str(folder / "recipe.toml"), "-o", str(folder / "out"), *more)


def test_the_feature_is_mirrored_and_has_its_place() -> None:
    audio = torch.from_numpy(noise(1.0))[None] * torch.tensor([1.0, 0.4]).reshape(2, 1)
    features = stack_features(make_batch(audio), FEATURES)
    expected = stack_features(make_batch(audio.flip(1)), FEATURES)
    assert torch.allclose(mirror_features(features, FEATURES), expected, atol=1e-3)
    assert find_channel_slices(FEATURES) == {"pan": slice(0, 2), "logmel": slice(2, 4), "ild": slice(4, 5)}
    assert find_mel_channels(FEATURES) == [0, 1, 2, 3, 4]


def test_its_augmentations_happen_in_their_place() -> None:
    audio, frames = torch.from_numpy(noise(1.0))[None], torch.arange(10.0)
    activity = (frames / 10).reshape(1, 10, 1, 1).expand(1, 10, len(DCASE2025), 1)
    batch = TrainingBatch(stack_features(make_batch(audio), FEATURES), FEATURES, Posterior(activity))
    amounts = complete_amounts({"channel_swap": 0.0, "time_reverse": 1.0, "hiss": 1.0})
    after = augment_batch(batch, amounts, np.random.default_rng(0))
    assert torch.equal(after.features, batch.features.flip(2))
    assert torch.equal(after.target.activity[0, :, 0, 0], (frames / 10).flip(0))
    hiss = augment_audio(audio, amounts, np.random.default_rng(0)) - audio
    assert 20 * hiss.std().log10().item() == pytest.approx(-60.0, abs=0.5)
    calm = complete_amounts({"channel_swap": 0.0})
    assert (calm["time_reverse"], calm["hiss"]) == (0.0, 0.0)
    assert augment_batch(batch, calm, np.random.default_rng(0)) is batch


@pytest.mark.parametrize("backend", NETWORKS)
def test_random_scenes_and_folders_mixed_train_a_network_that_runs(backend: str, world: Path, tmp_path: Path) -> None:
    assert train(backend, recipe(backend, world), tmp_path) == 0
    opened = open_checkpoint(str(tmp_path / "out"), backend)
    assert opened.config["features"] == list(FEATURES)
    stored = opened.config["training"]["recipe"]["augment"]
    assert {name: stored[name] for name in AMOUNTS} == AMOUNTS
    weights = opened.read_weights()
    mean = weights["mean" if backend == "panner" else "trunk.mean"]
    assert mean.shape == (5, 1, 64)
    assert mean[1].min() > 0.3  # the cosine of the pan angle
    clip, reference = str(world / "clips" / "1.wav"), f"{backend}@{tmp_path / 'out'}"
    assert call("run", clip, "--backends", reference, "--save-posteriors", "-o", str(tmp_path / "run")) == 0
    assert list((tmp_path / "run").rglob("1.safetensors"))


@pytest.mark.parametrize("backend", NETWORKS)
def test_stages_of_scenes_and_of_folders_take_it_along(backend: str, world: Path, tmp_path: Path) -> None:
    stages = [
        {"name": "scenes", "source": "synth", "share": 0.5},
        {"name": "folders", "source": "folders", "share": 0.5, "override": {"augment": {"time_reverse": 1.0}}},
    ]
    assert train(backend, recipe(backend, world, stages=stages), tmp_path) == 0
    assert open_checkpoint(str(tmp_path / "out"), backend).config["features"] == list(FEATURES)
    assert (tmp_path / "out" / "1-scenes" / "last" / "model.safetensors").is_file()


def test_one_distribution_goes_all_the_way(world: Path, tmp_path: Path, capsys: Any) -> None:
    """Feature, encoder, augmentations, score, post-processors and writer: train, run, eval and card."""
    table = recipe("panner", world, encoders=["levels"])
    table["run"] |= {"steps": 4}
    assert train("sider", table, tmp_path) == 0
    notes = capsys.readouterr().err
    assert "wrong_side" in notes
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    shares = [line["scores"]["wrong_side"] for line in log if line.get("scores")]
    opened = open_checkpoint(str(tmp_path / "out"), "sider")
    assert opened.config["training"]["scores"]["wrong_side"] == pytest.approx(min(shares), abs=1e-3)
    assert set(opened.config["encoders"]) == {"levels"}
    assert "wrong side" in (tmp_path / "out" / "README.md").read_text()

    clips, reference = str(world / "clips" / "*.wav"), f"sider@{tmp_path / 'out'}"
    fusion = tmp_path / "fusion.toml"
    fusion.write_text("[decode]\nthreshold = 0.0\n")
    run = ("run", clips, "--backends", reference, "--fusion", str(fusion), "--formats", "tab,dcase")
    assert call(*run, "-o", str(tmp_path / "all")) == 0
    assert call(*run, "--post", "first-second", "-o", str(tmp_path / "first")) == 0
    labels = [line.split("\t") for line in (tmp_path / "first" / "0.txt").read_text().splitlines()]
    assert labels
    assert max(float(end_s) for _, end_s, _ in labels) <= 1.0
    assert len((tmp_path / "all" / "0.csv").read_text()) > len((tmp_path / "first" / "0.csv").read_text())
    assert call(*run, "--post", "halve@0", "-o", str(tmp_path / "none")) == 0
    assert (tmp_path / "none" / "0.txt").read_text() == ""

    capsys.readouterr()
    assert call("eval", str(tmp_path / "all"), str(world / "clips"), "--json") == 0
    assert 0.0 <= json.loads(capsys.readouterr().out)["wrong_side"] <= 1.0


def test_a_folder_of_scenes_stores_the_feature_and_says_whose_it_is(world: Path, tmp_path: Path, capsys: Any) -> None:
    scenes = tmp_path / "scenes"
    table = recipe("panner", world, data=[{"source": "synth"}])
    table["synth"] |= {"scene_bank": str(scenes)}
    assert train("panner", table, tmp_path) == 0
    card = json.loads((scenes / CARD).read_text())
    assert card["features"] == ["pan", "logmel", "ild"]
    assert card["plugins"] == {"pan": "acme-full 1.0"}
    # Whoever needs less takes less, and a folder without the feature is told apart.
    stage = SceneIngredients(load_bank(world / "sounds", DCASE2025, "train"), SceneStatistics.load(), 0.8)
    seed = parse_recipe(table).run.seed
    chunk = SceneSupply(stage, ("ild", "pan"), seed, scenes).load_chunk(1)
    assert chunk.features.shape == (8, 3, 250, 64)
    SceneSupply(stage, ("logmel",), seed, tmp_path / "plain")
    with pytest.raises(UsageError, match=r"holds scenes with logmel, not with pan; name a new"):
        SceneSupply(stage, ("logmel", "pan"), seed, tmp_path / "plain")
    assert "plugins" not in json.loads((tmp_path / "plain" / CARD).read_text())


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"features": ["left_power"]}, 2, "feature 'left_power' of acme-full does not state what it is with left and"),
        ({"features": ["pan"], "augment": {"overlay": 0.1}}, 2, "augmentation overlay needs the feature logmel"),
        ({"augment": {"time_revers": 0.1}}, 2, "no augmentation 'time_revers'; did you mean 'time_reverse'?"),
        ({"features": ["pam"]}, 3, "there is no feature 'pam'; did you mean 'pan'?"),
        ({"encoders": ["nobodys"]}, 3, "there is no encoder 'nobodys'"),
    ],
)
@pytest.mark.parametrize("option", ["--dry-run", "--steps=2"])
def test_what_cannot_be_trained_is_refused_before_anything_runs(
    option: str, changes: dict[str, Any], code: int, message: str, world: Path, tmp_path: Path, capsys: Any
) -> None:
    assert train("panner", recipe("panner", world, **changes), tmp_path, option) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_feature_that_states_nothing_is_trained_without_what_would_change_it(world: Path, tmp_path: Path) -> None:
    network, augment = {"channels": 1, "bins": 64, "hidden": 8}, {"channel_swap": 0.0, "mixup": 0.5}
    table = recipe("panner", world, features=["left_power"], network=network, augment=augment)
    table["data"] = [{"source": str(world / "clips")}]
    assert train("panner", table, tmp_path) == 0


def test_a_feature_with_bins_of_its_own_is_trained_standardized_and_stored(world: Path, tmp_path: Path) -> None:
    network, augment = {"channels": 2, "bins": 96, "hidden": 8}, {"gain_db": 6.0, "spec_mask": 0.5, "mixup": 0.5}
    table = recipe("panner", world, features=["fine_level"], network=network, augment=augment)
    table["data"] = [{"source": "synth"}]
    table["synth"] |= {"scene_bank": str(tmp_path / "scenes")}
    assert train("panner", table, tmp_path) == 0
    assert json.loads((tmp_path / "scenes" / CARD).read_text())["features"] == ["fine_level"]
    weights = open_checkpoint(str(tmp_path / "out"), "panner").read_weights()
    assert weights["mean"].shape == weights["deviation"].shape == (2, 1, 96)
    assert weights["mean"].max() < -5.0
    assert weights["deviation"].min() > 1.0


def test_a_gain_changes_another_level_by_its_decibels() -> None:
    features = stack_features(make_batch(torch.from_numpy(noise(1.0))[None]), ["fine_level"])
    batch = TrainingBatch(features, ("fine_level",), Posterior(torch.zeros(1, 10, len(DCASE2025), 1)))
    change_db = (change_gain(batch, 6.0, np.random.default_rng(0)).features - features).flatten()
    assert (change_db - change_db[0]).abs().max() < 1e-4
    assert 0.1 < change_db[0].abs() <= 6.0


def test_a_network_of_another_size_is_refused_with_the_numbers(world: Path, tmp_path: Path, capsys: Any) -> None:
    table = recipe("sce", world, features=["logmel", "pan"])
    assert train("sce", table, tmp_path) == 2
    assert (
        "the network of sce cannot take 4 channels of 64 bins, which logmel, pan have together; change its size"
        in capsys.readouterr().err
    )
