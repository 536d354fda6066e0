"""The encoder that scenes have taught: its tokens are those of the class branch, and know classes."""

import numpy as np
import pytest
import torch

from seldfuse.encoders.load import load_encoder
from seldfuse.encoders.yamnet_seld import YamnetSeld
from seldfuse.errors import UsageError
from seldfuse.features.load import make_batch
from seldfuse.nn.resnet_conformer import Trunk, TrunkConfig
from seldfuse.train.initialize import start_class_branch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder() -> YamnetSeld:
    model = load_encoder("yamnet-seld", CPU).model
    assert isinstance(model, YamnetSeld)
    return model


def logmel(level: float) -> torch.Tensor:
    noise = np.random.default_rng(0).normal(0.0, level, (2, 2, 120_000)).astype(np.float32)
    return make_batch(torch.from_numpy(noise))["logmel"][:, :, :250]


def test_a_token_for_each_frame(encoder: YamnetSeld) -> None:
    tokens = encoder.encode(logmel(0.05))
    assert tokens.shape == (2, 50, 1, encoder.channels)
    assert tokens.isfinite().all()
    assert tokens.min() >= 0.0


def test_a_batch_computes_its_tokens(encoder: YamnetSeld) -> None:
    audio = 0.05 * torch.randn(1, 2, 120_000, generator=torch.Generator().manual_seed(1))
    batch = make_batch(audio)
    assert torch.allclose(batch["yamnet-seld"], encoder.encode(batch["logmel"][:, :, :250]), atol=1e-5)


def test_a_class_branch_can_begin_with_its_weights(encoder: YamnetSeld) -> None:
    sizes = {"channels": 2, "widths": (4, 4, 4, 4), "pools": ((5, 4), (1, 1), (1, 4), (1, 2)), "blocks": 1}
    trunk = Trunk(TrunkConfig(**sizes, projection=8, dim=16, heads=2, head_dim=8, class_branch="yamnet-seld"))  # type: ignore[arg-type]
    start_class_branch(trunk)
    assert trunk.class_branch is not None
    level_db = logmel(0.01)
    tokens = encoder.encode(level_db).squeeze(2)
    # Values reach 90; another order of weights rounds otherwise.
    assert torch.allclose(trunk.class_branch.eval()(level_db), tokens, atol=1e-5, rtol=1e-4)


def test_weights_of_ones_own_are_refused() -> None:
    with pytest.raises(UsageError, match="yamnet-seld comes with its weights; leave @mine out"):
        load_encoder("yamnet-seld@mine", CPU)
