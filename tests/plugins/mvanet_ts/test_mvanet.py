"""MVANet: its size, its gates, where it looks, and its teacher."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import call

from seldfuse.checkpoint import open_checkpoint, save_checkpoint
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.people_and_things import PeopleAndThings
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.nn.audio_guided import AudioGuidedAttention
from seldfuse.nn.onscreen_attention import OnscreenAttention
from seldfuse.train.augment.channel_swap import swap_channels
from seldfuse.train.augment.drop_picture import drop_picture
from seldfuse.train.augment.mixup import mix_clips
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.initialize import copy_weights
from seldfuse.train.recipe import parse_recipe, read_preset
from seldfuse.train.teacher import open_teacher
from seldfuse_mvanet_ts.network import from_settings, to_posterior
from seldfuse_mvanet_ts.train import MvaTask, onscreen_loss
from seldfuse_sed_sce.train import SceTask

NAMES = ("logmel", "direct")
CHANNELS = 8
ENCODER = "compact-image"
CPU = torch.device("cpu")


def settings(name: str):
    return parse_recipe(read_preset(MvaTask.recipes, name)).network


def batch(scenes: int = 4) -> TrainingBatch:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(scenes, CHANNELS, 250, 64, generator=generator)
    shape = (scenes, 50, 13, 3)
    activity = (torch.rand(shape, generator=generator) > 0.8).float().sort(dim=-1, descending=True).values
    azimuth = torch.rand(shape, generator=generator) * 3 - 1.5
    direction = torch.stack([azimuth.cos(), azimuth.sin(), torch.zeros(shape)], dim=-1)
    onscreen = (azimuth.abs() < 0.8).float()
    truth = Posterior(activity, direction, torch.full(shape, 2.0), onscreen, labels=DCASE2025)
    plain = torch.randn(scenes, 25, 14, 64, generator=generator)
    return TrainingBatch(features, NAMES, truth, {ENCODER: EncoderTokens(plain, plain.flip(2))})


def test_base_has_the_published_size_before_the_branch_for_onscreen() -> None:
    network = from_settings(settings("base"), DCASE2025)
    branch = sum(weights.numel() for weights in network.onscreen.parameters())
    assert sum(weights.numel() for weights in network.parameters()) - branch == 20_318_107


def test_base_takes_what_resnet_gives() -> None:
    network = from_settings(settings("base"), DCASE2025).eval()
    tokens = {"resnet50": torch.rand(1, 50, 7, 7)}
    with torch.inference_mode():
        said = to_posterior(network(torch.randn(1, 2, 250, 64), tokens), DCASE2025)
    assert said.activity.shape == said.onscreen.shape == (1, 50, 13, 1)


def test_a_trained_sce_is_a_beginning() -> None:
    network = from_settings(settings("small"), DCASE2025)
    opened = open_checkpoint("sce-medium", "mvanet", of_any=True)
    assert copy_weights(network, opened, NAMES)
    given, own = opened.read_weights(), network.state_dict()
    shared = {name for name in own if name.startswith(("trunk.", "activity."))}
    common = given.keys() & own.keys()
    assert {name for name in common if torch.equal(own[name], given[name].to(own[name]))} == shared


@pytest.mark.parametrize("multiplies", [False, True])
def test_the_gate_weighs_the_picture_or_takes_its_place(multiplies: bool) -> None:
    attention = AudioGuidedAttention(6, 4, multiplies).eval()
    heard, seen = torch.randn(2, 5, 6), torch.zeros(2, 5, 4)
    said = attention(heard, seen)
    assert (said == 0).all() == multiplies
    assert ((said >= 0) & (said <= 1)).all()


def test_without_a_picture_the_rest_of_the_clip_is_as_if_there_never_was_one() -> None:
    network = from_settings(settings("small"), DCASE2025).eval()
    features = torch.randn(1, CHANNELS, 250, 64)
    nothing = torch.full((1, 50, 14, 64), torch.nan)
    with torch.inference_mode():
        said = to_posterior(network(features, {ENCODER: nothing}), DCASE2025)
    for tensor in said.tensors().values():
        assert tensor.isfinite().all()


def test_two_encoders_stand_side_by_side_at_their_columns() -> None:
    visual = {**settings("small")["visual"], "encoder": "fine", "tokens": 28, "channels": 5 + 64}
    both = {**settings("small"), "visual": {**visual, "beside": ENCODER, "beside_channels": 64}}
    network = from_settings(both, DCASE2025).eval()
    coarse = torch.linspace(0, 1, 14).reshape(1, 1, 14, 1).expand(1, 50, 14, 64)
    tokens = {"fine": torch.zeros(1, 50, 28, 5), ENCODER: coarse}
    joined = network._join_tokens(tokens)
    assert joined.shape == (1, 50, 28, 69)
    assert torch.allclose(joined[0, 0, :, -1].reshape(14, 2).mean(dim=1), coarse[0, 0, :, 0], atol=0.02)
    with torch.inference_mode():
        assert to_posterior(network(torch.randn(1, CHANNELS, 250, 64), tokens), DCASE2025).onscreen.isfinite().all()
    assert from_settings(network.settings(), DCASE2025).visual_settings == network.visual_settings


def test_it_looks_where_it_hears() -> None:
    torch.manual_seed(0)
    look = OnscreenAttention(8, 13, 14, 6).eval()
    columns = torch.randn(1, 1, 14, 6)
    azimuth = torch.deg2rad(torch.tensor(30.0))
    point = (torch.stack([azimuth.cos(), azimuth.sin()]) * 2.0).expand(1, 1, 13, 2)
    nearest = int((look.azimuth_deg - 30.0).abs().argmin())

    def changed(column: int) -> torch.Tensor:
        other = columns.clone()
        other[..., column, :] += 1.0
        x, seen = torch.zeros(1, 1, 8), torch.ones(1, 1, 1)
        return (look(x, point, other, seen) - look(x, point, columns, seen)).abs().mean()

    assert nearest < 7
    assert changed(nearest) > 20 * changed(13)
    rear = point * torch.tensor([-1.0, 1.0])
    assert torch.allclose(
        look(torch.zeros(1, 1, 8), point, columns, torch.ones(1, 1, 1)),
        look(torch.zeros(1, 1, 8), rear, columns, torch.ones(1, 1, 1)),
    )


@pytest.mark.parametrize("onscreen_positive_weight", [1.0, 3.0])
def test_the_weight_of_onscreen_leaves_the_best_answer_where_it_was(onscreen_positive_weight: float) -> None:
    onscreen = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(1, 1, 4)
    logit = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([logit], max_iter=100)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = onscreen_loss(logit.expand(1, 1, 4), onscreen, torch.ones(1, 1, 4), onscreen_positive_weight)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert logit.sigmoid().item() == pytest.approx(0.25, abs=1e-3)


def test_what_is_silent_or_unknown_has_no_say_in_onscreen() -> None:
    logit = torch.zeros(1, 1, 3, requires_grad=True)
    onscreen = torch.tensor([[[1.0, torch.nan, 1.0]]])
    onscreen_loss(logit, onscreen, torch.tensor([[[1.0, 1.0, 0.0]]])).backward()
    assert logit.grad is not None
    assert (logit.grad != 0).tolist() == [[[True, False, False]]]


def test_the_picture_turns_with_the_sound() -> None:
    before = batch()
    after = swap_channels(before, 1.0, np.random.default_rng(0))
    seen = after.embeddings[ENCODER]
    assert torch.equal(seen.plain, before.embeddings[ENCODER].flipped)
    assert torch.equal(seen.flipped, before.embeddings[ENCODER].plain)
    assert torch.equal(after.target.onscreen, before.target.onscreen)
    features, tokens = after.inputs
    assert torch.equal(tokens[ENCODER][:, 0], tokens[ENCODER][:, 1])
    assert tokens[ENCODER].shape == (4, 50, 14, 64)
    assert features is after.features


def test_mixed_scenes_are_seen_as_through_one_another_and_blind_ones_not_at_all() -> None:
    before = batch()
    mixed = mix_clips(before, 1.0, np.random.default_rng(0)).embeddings[ENCODER]
    assert not torch.equal(mixed.plain, before.embeddings[ENCODER].plain)
    assert torch.allclose(mixed.plain.flip(2), mixed.flipped)
    blinded = drop_picture(before, 0.5, np.random.default_rng(0)).embeddings[ENCODER].plain
    gone = blinded.isnan().flatten(1).all(dim=1)
    assert 0 < int(gone.sum()) < 4
    assert blinded[~gone].isfinite().all()


def test_a_teacher_says_what_it_doubts_and_leaves_onscreen_to_the_labels() -> None:
    recipe = parse_recipe(read_preset(MvaTask.recipes, "small"))
    teacher = open_teacher(recipe, DCASE2025, CPU)
    assert teacher is not None
    given = batch()
    taught = teacher.predict_target(given)
    assert taught.tracks == 1
    assert taught.activity.std() > 0.001
    assert not torch.isin(taught.activity, torch.tensor([0.0, 1.0])).any()
    silent = given.target.activity[..., :1] == 0
    assert taught.onscreen.isnan().equal(silent)
    assert not taught.activity.requires_grad
    network = from_settings(recipe.network, DCASE2025)
    loss = MvaTask().loss(network(*given.inputs), taught, recipe.loss)
    assert loss.isfinite()


def test_a_teacher_of_several_tracks_says_its_loudest() -> None:
    recipe = replace(
        parse_recipe(read_preset(MvaTask.recipes, "small")), teacher="baseline-small", features=("logmel",)
    )
    teacher = open_teacher(recipe, DCASE2025, CPU)
    assert teacher is not None
    given = batch()
    assert teacher.predict_target(replace(given, features=given.features[:, :2], names=("logmel",))).tracks == 1


def test_a_teacher_gets_the_tokens_of_what_its_student_hears() -> None:
    """Of the augmented log-mel spectrograms, which the student, who takes no such tokens, gets alone."""
    recipe = parse_recipe(read_preset(MvaTask.recipes, "small"))
    teacher = open_teacher(recipe, DCASE2025, CPU)
    assert teacher is not None
    (encoder,) = teacher.logmel_encoders
    given = batch(scenes=2)
    heard = SceTask().posterior(
        teacher.network(given.features, {encoder.name: encoder.model.encode(given.features[:, :2])}), DCASE2025
    )
    assert torch.equal(teacher.predict_target(given).activity, heard.activity)
    assert set(given.inputs[1]) == {ENCODER}


def test_a_teacher_with_another_encoder_is_refused(tmp_path: Path) -> None:
    shutil.copytree(open_checkpoint("sce-medium", "sce").folder, tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "encoders": {"yamnet-seld": "0123"}}))
    recipe = parse_recipe(read_preset(MvaTask.recipes, "small"))
    with pytest.raises(CheckpointError, match="was trained with yamnet-seld of version 0123, here is"):
        open_teacher(replace(recipe, teacher=str(tmp_path / "other")), DCASE2025, CPU)


def test_teachers_that_cannot_teach_are_refused(tmp_path: Path) -> None:
    recipe = parse_recipe(read_preset(MvaTask.recipes, "small"))
    with pytest.raises(UsageError, match=r"features of its student \(logmel\).*`--teacher none` to learn from"):
        open_teacher(replace(recipe, features=("logmel",)), DCASE2025, CPU)
    network = from_settings(recipe.network, DCASE2025)
    config = {"features": list(NAMES), "encoders": {ENCODER: "x"}, "network": network.settings()}
    save_checkpoint(tmp_path, network, "mvanet", DCASE2025, config)
    with pytest.raises(UsageError, match=r"and tokens of log-mel spectrograms alone; this one wants .*compact-image"):
        open_teacher(replace(recipe, teacher=str(tmp_path)), DCASE2025, CPU)


def test_two_networks_look_once_and_the_bundled_clip_gets_onscreen(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    encoded: list[int] = []
    encode = PeopleAndThings.encode

    def counted(self: PeopleAndThings, pictures: torch.Tensor) -> torch.Tensor:
        encoded.append(len(pictures))
        return encode(self, pictures)

    monkeypatch.setattr(PeopleAndThings, "encode", counted)
    together = "mvanet,cmc,sce"
    assert call("run", "@demo", "--backends", together, "-o", str(tmp_path / "both"), "--json") == 0
    pictures = sum(encoded)
    assert 0 < pictures <= 50
    said = capsys.readouterr()
    assert said.err.count("people-and-things") == 1
    events = json.loads(said.out)["results"][0]["events"]
    assert {event["class"] for event in events} >= {"female_speech"}
    assert all(0 <= event["onscreen"] <= 1 for event in events)
    assert call("run", "@demo", "--backends", "mvanet", "-o", str(tmp_path / "one")) == 0
    assert sum(encoded) == pictures


@pytest.mark.shared
def test_a_real_video_is_heard_and_seen(shared: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    video = str(shared / "media" / "video" / "nasa_13013.mp4")
    for backends in ("mvanet", "mvanet,sce"):
        assert call("run", video, "--backends", backends, "-o", str(tmp_path / backends), "--json") == 0
        events = json.loads(capsys.readouterr().out)["results"][0]["events"]
        assert sum(event["end_s"] - event["start_s"] for event in events if "speech" in event["class"]) > 1.0


def test_medium_knows_all_that_sce_knows_and_has_a_polar_place() -> None:
    network = MvaTask().build(settings("medium"), DCASE2025)
    opened = open_checkpoint("bundled:sce-medium", "mvanet", of_any=True)
    assert copy_weights(network, opened, NAMES)
    state, weights = network.state_dict(), opened.read_weights()
    assert all(torch.equal(state[name], weight.to(state[name])) for name, weight in weights.items())
    some = batch(2)
    tokens = {
        "yamnet-seld": torch.randn(2, 50, 1, 1024),
        "people-and-things": torch.full((2, 50, 24, 21), torch.nan),
    }
    output = network.eval()(some.features, tokens)
    MvaTask().loss(output, some.target, parse_recipe(read_preset(MvaTask.recipes, "medium")).loss).backward()
    assert network.azimuth.layer.weight.grad is not None
    posterior = to_posterior(output, DCASE2025)
    assert {"onscreen", "azimuth_std_deg", "distance_log_std"} <= set(posterior.provides)
