"""Encoders by name: those of third parties too, those of log-mel spectrograms in a run and in training."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from worlds import noise

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.values import Encoder, PublishedWeights
from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.clip_batch import ClipBatch
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.encoders.load import LoadedEncoder, load_encoder, parse_name
from seldfuse.encoders.models import LogmelEncoderModel
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.errors import CheckpointError, PluginError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.inference.clips import LoadedBackends, infer_clips
from seldfuse.inference.load import load_encoders
from seldfuse.train.augment.channel_swap import swap_channels
from seldfuse.train.augment.drop_picture import drop_picture
from seldfuse.train.augment.gain import change_gain
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.check import check_trainable
from seldfuse.train.recipe import Recipe
from seldfuse.weights import find

CPU = torch.device("cpu")


class Level:
    """The mean level of each frame: an encoder of log-mel spectrograms by a third party."""

    name, version, tokens, channels = "level", "1", 1, 1

    def encode(self, logmel: torch.Tensor) -> torch.Tensor:
        return logmel.unflatten(2, (-1, 5)).mean(dim=(1, 3, 4))[..., None, None]


Installer = Callable[..., Registry]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Installer:
    """Register an encoder whose `load` is the function that is given."""

    def register(load: Callable[..., Any], **value: Any) -> Registry:
        module = ModuleType("acme_encoder")
        module.load = load  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "acme_encoder", module)
        fields = {"name": "level", "input": "logmel", "summary": "levels", "api_version": 2} | value
        found, entry = load_registry(), CatalogueEntry(Encoder(load="acme_encoder:load", **fields), "acme", "1.0")
        registry = Registry((*found.entries, entry))
        for place in ("encoders.load", "features.load", "weights.find"):
            monkeypatch.setattr(f"seldfuse.{place}.load_registry", lambda: registry)
        return registry

    return register


class Backend:
    """A backend that remembers the tokens that it is given."""

    features = ()

    def __init__(self, reference: str, version: str) -> None:
        self.encoders = {reference: version}
        self.given: list[torch.Tensor] = []

    def infer(self, batch: ClipBatch) -> Posterior:
        (reference,) = self.encoders
        self.given.append(batch[reference])
        return Posterior(torch.zeros(len(batch), batch.frames, 13, 1), labels=DCASE2025)


def run(backend: Backend, samples: np.ndarray) -> torch.Tensor:
    """The tokens that a run gives a backend of one clip."""

    def fail(_clip: Clip, error: Exception) -> None:
        raise error

    encoders = load_encoders({"one": backend}, CPU)
    backends = LoadedBackends({"one": backend}, (), CPU, encoders)
    list(infer_clips([Clip("clip", ArrayAudio(samples))], backends, RunStats(), fail))
    return torch.cat(backend.given)


# By name


def test_an_encoder_has_its_own_name_however_it_was_typed() -> None:
    assert parse_name("Compact_Image") == "compact-image"
    assert parse_name("clap@folder/of/weights") == "clap"
    assert parse_name("of-nobody@x") == "of-nobody"
    assert load_encoder("Compact_Image", CPU).name == "compact-image"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda *_: "nothing", "must return an encoder of logmel with channels, name, tokens, version and encode()"),
        (lambda *_: 1 / 0, "failed while it was loaded (ZeroDivisionError: division by zero); tell the makers of acme"),
    ],
)
def test_a_broken_encoder_of_a_third_party_is_named(install: Installer, made: Any, message: str) -> None:
    install(made)
    with pytest.raises(PluginError) as error:
        load_encoder("level", CPU)
    assert message in str(error.value)


def test_an_encoder_under_another_name_than_its_value_s_is_refused(install: Installer) -> None:
    install(lambda *_: Level(), name="loudness")
    with pytest.raises(PluginError, match="the encoder 'loudness' must have that name, got 'level'; tell the makers"):
        load_encoder("loudness", CPU)


def test_weights_that_a_third_party_publishes_are_listed_and_named_where_they_are_missing(
    install: Installer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path))
    own = PublishedWeights("acme/level", ("level",), 7, "MIT", ("config.json",), ("level.safetensors",))
    shared = PublishedWeights("microsoft/resnet-50", ("level",), 103, "Apache-2.0")
    install(lambda weights, _: find.find_weights(weights or "acme/level"), published=(own, shared))
    listed = {entry.reference: entry for entry in find.list_published()}
    assert listed["acme/level"] == own
    assert listed["microsoft/resnet-50"].users == ("resnet50", "resnet50-map", "level")
    assert {"usyd-community/vitpose-base-simple", "IDEA-Research/grounding-dino-tiny"} <= set(listed)
    with pytest.raises(CheckpointError, match=r"acme/level lack level.safetensors \(about 7 MB\); get them with"):
        load_encoder("level", CPU)


# In a run


def test_the_tagger_that_ships_is_an_encoder_with_a_version_that_a_run_checks() -> None:
    samples = noise(9.0)
    encoder = load_encoder("compact-audio", CPU)
    assert isinstance(encoder.model, LogmelEncoderModel)
    tokens = run(Backend("compact-audio", encoder.version), samples)
    assert tokens.shape == (2, 50, 1, 64)
    first = make_batch(torch.from_numpy(samples[None, :, :120_000]))["compact-audio"]
    torch.testing.assert_close(tokens[:1], first)
    with pytest.raises(CheckpointError, match="one was trained with compact-audio of version old, here is"):
        load_encoders({"one": Backend("compact-audio", "old")}, CPU)


def test_an_encoder_of_a_third_party_is_loaded_once_and_used_by_a_run(install: Installer) -> None:
    loaded: list[str | None] = []

    def load(weights: str | None, _device: torch.device) -> Level:
        loaded.append(weights)
        return Level()

    install(load)
    samples = np.concatenate([0.01 * noise(2.5), noise(2.5)], axis=1)
    (tokens,) = run(Backend("level@mine", "1"), samples)
    assert tokens[30:, 0, 0].mean() - tokens[:20, 0, 0].mean() == pytest.approx(40.0, abs=2.0)
    assert loaded == ["mine"]


# In training


def batch(encoder: LoadedEncoder) -> TrainingBatch:
    logmel = make_batch(torch.from_numpy(noise(5.0))[None])["logmel"][:, :, :250]
    target = Posterior(torch.zeros(1, 50, 13, 3), torch.ones(1, 50, 13, 3, 3), labels=DCASE2025)
    return TrainingBatch(logmel, ("logmel",), target, logmel_encoders=(encoder,))


def test_tokens_of_log_mel_spectrograms_follow_augmentation(install: Installer) -> None:
    install(lambda *_: Level())
    plain = batch(load_encoder("level", CPU))
    louder = change_gain(plain, 12.0, np.random.default_rng(0))
    change_db = (louder.features - plain.features).mean()
    assert abs(change_db) > 0.1
    before, after = (one.inputs[1]["level"] for one in (plain, louder))
    torch.testing.assert_close(after - before, change_db.expand_as(before), atol=1e-3, rtol=0)


def test_the_tagger_gives_the_same_inside_of_a_network_and_beside_it() -> None:
    from seldfuse.sdk import encode_logmel

    given = batch(load_encoder("compact-audio", CPU))
    assert torch.equal(given.inputs[1]["compact-audio"], encode_logmel(given.features))


def test_an_encoder_of_log_mel_spectrograms_needs_them() -> None:
    recipe = Recipe(network={}, features=("ild",), encoders=("compact-audio",))
    with pytest.raises(
        UsageError, match="'compact-audio' takes log-mel spectrograms; the recipe must name the feature"
    ):
        check_trainable(recipe, load_registry())
    check_trainable(replace(recipe, features=("logmel", "ild")), load_registry())


def test_pictures_without_a_mirror_are_taken_away_and_are_no_sound() -> None:
    columns = torch.rand(2, 25, 4, 2)
    target = Posterior(torch.zeros(2, 50, 13, 3), torch.ones(2, 50, 13, 3, 3), labels=DCASE2025)
    given = TrainingBatch(torch.zeros(2, 2, 250, 64), ("logmel",), target, {"one-sided": EncoderTokens(columns)})
    rng = np.random.default_rng(0)
    assert drop_picture(given, 1.0, rng).embeddings["one-sided"].plain.isnan().all()
    assert torch.equal(swap_channels(given, 1.0, rng).embeddings["one-sided"].plain, columns)
