"""The class branch: its spectra are about YAMNet's own, and its time is that of frames."""

import math
from dataclasses import replace

import pytest
import torch

from seldfuse.encoders import yamnet
from seldfuse.errors import UsageError
from seldfuse.features.load import make_batch
from seldfuse.nn.class_branch import LOG_OFFSET, ClassBranch, _to_frames
from seldfuse.nn.resnet_conformer import Trunk, TrunkConfig
from seldfuse.train.initialize import make_yamnet_bands, start_class_branch
from seldfuse.train.recipe import OptimizerSettings, Recipe
from seldfuse.train.setup import make_optimizer


def small(**changes: object) -> TrunkConfig:
    sizes = {"channels": 2, "widths": (4, 4, 4, 4), "pools": ((5, 4), (1, 1), (1, 4), (1, 2)), "blocks": 1}
    return TrunkConfig(**{**sizes, "projection": 8, "dim": 16, "heads": 2, "head_dim": 8, **changes})  # type: ignore[arg-type]


def test_white_noise_has_the_level_that_yamnet_gives_it() -> None:
    torch.manual_seed(0)
    noise = torch.fft.rfft(0.1 * torch.randn(3 * 240_000))
    at_24k = torch.fft.irfft(noise, 3 * 240_000)
    # The same noise at 16 kHz: the lower two thirds of its spectrum.
    at_16k = torch.fft.irfft(noise[: 2 * 120_000 + 1], 2 * 240_000) * (2 / 3)
    level_db = make_batch(at_24k[:120_000].expand(1, 2, -1))["logmel"].mean(dim=1)
    bands, offset = make_yamnet_bands()
    ours = (level_db @ bands + offset).mean(dim=(0, 1))
    theirs = yamnet.compute_logmel(at_16k[None, :80_000]).mean(dim=(0, 1))
    # A band of one bin has more scatter, whose logarithm has another mean.
    assert (ours - theirs).abs().max() < 0.25
    assert (ours - theirs).abs().mean() < 0.1


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_branch_without_a_share_of_the_learning_rate_takes_no_gradients(share: float) -> None:
    branch = ClassBranch()
    recipe = replace(Recipe(("logmel",), {}, {}), optimizer=OptimizerSettings(pretrained_share=share))
    make_optimizer(branch, recipe, torch.device("cpu"))
    assert {weight.requires_grad for weight in branch.parameters()} == {share > 0}


def test_a_branch_begins_with_the_weights_of_yamnet() -> None:
    trunk = Trunk(small(class_branch="yamnet"))
    start_class_branch(trunk)
    assert trunk.class_branch is not None
    model = yamnet.Yamnet(torch.device("cpu")).network
    assert torch.equal(trunk.class_branch.body.stem.weight, model.stem.weight)
    assert trunk(torch.randn(2, 2, 250, 64) * 10 - 50).shape == (2, 50, 16)


def test_silence_is_yamnets_silence() -> None:
    branch = ClassBranch()
    branch.offset.fill_(-1.0)
    seen = []
    branch.body.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    branch(torch.full((1, 2, 250, 64), -200.0))
    assert torch.allclose(seen[0], torch.tensor(LOG_OFFSET), atol=1e-3)
    assert seen[0].shape == (1, 512, 64)


def test_steps_of_320_ms_are_interpolated_to_frames() -> None:
    steps = torch.arange(16.0).reshape(1, 16, 1)
    frames = _to_frames(steps, 50).squeeze()
    assert len(frames) == 50
    # Step k has its middle at its last spectrum, (k + 1) · 320 ms.
    middle_s = (torch.arange(50) + 0.5) * 0.1
    assert torch.allclose(frames, (middle_s / 0.32 - 1.0).clamp(0, 15), atol=1e-5)


def test_both_channels_count_alike() -> None:
    branch = ClassBranch().eval()
    level_db = torch.randn(1, 2, 50, 64) * 10 - 40
    assert torch.allclose(branch(level_db), branch(level_db.flip(1)), atol=1e-5)


def test_a_trunk_takes_the_tokens_of_its_encoder() -> None:
    trunk = Trunk(small(encoder="yamnet", token_channels=6)).eval()
    features = torch.randn(1, 2, 250, 64)
    one, other = (trunk(features, {"yamnet": torch.full((1, 50, 1, 6), value)}) for value in (0.0, 1.0))
    assert one.shape == (1, 50, 16)
    varied = trunk(features, {"yamnet": torch.randn(1, 50, 1, 6)})
    # A norm comes first: what is constant over the values says nothing.
    assert torch.allclose(one, other, atol=1e-5)
    assert not torch.allclose(one, varied, atol=1e-3)
    assert math.isfinite(varied.sum().item())


def test_tokens_of_the_branch_take_its_place() -> None:
    torch.manual_seed(0)
    whole = Trunk(small(class_branch="yamnet")).eval()
    assert whole.class_branch is not None
    rest = Trunk(small(encoder="yamnet-seld", token_channels=1024)).eval()
    rest.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("class_branch.")})
    features = torch.randn(2, 2, 250, 64) * 10 - 50
    tokens = {"yamnet-seld": whole.class_branch(features[:, :2]).unsqueeze(2)}
    assert torch.allclose(whole(features), rest(features, tokens), atol=1e-5)


def test_a_branch_of_another_encoder_is_refused() -> None:
    with pytest.raises(UsageError, match=r"trunk\.class_branch takes yamnet or yamnet-seld, got 'clap'"):
        start_class_branch(Trunk(small(class_branch="clap")))
