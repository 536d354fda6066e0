"""What a recording cannot tell is not said of it."""

import pytest
import torch

from seldfuse.core.posterior import Posterior
from seldfuse.inference.mask import mask_impossible


@pytest.fixture
def posterior() -> Posterior:
    shape = (1, 4, 13, 2)
    direction = torch.nn.functional.normalize(torch.ones(*shape, 3), dim=-1)
    return Posterior(
        torch.full(shape, 0.5), direction, torch.ones(shape), torch.full(shape, 0.5), provenance={"from": "here"}
    )


def mask(posterior: Posterior, *, silent: bool, mono: bool) -> Posterior:
    return mask_impossible({"doa": posterior}, silent=silent, mono=mono)["doa"]


def test_stereo_sound_stays_as_it_is(posterior):
    masked = mask(posterior, silent=False, mono=False)
    assert masked.provides == posterior.provides
    assert all(torch.equal(value, posterior.tensors()[name]) for name, value in masked.tensors().items())


def test_in_silence_nothing_is_active(posterior):
    masked = mask(posterior, silent=True, mono=False)
    assert not masked.activity.any()
    assert masked.provides == posterior.provides


@pytest.mark.parametrize("silent", [False, True])
def test_one_channel_has_activities_alone(posterior, silent):
    masked = mask(posterior, silent=silent, mono=True)
    assert list(masked.tensors()) == ["activity"]
    assert masked.activity.any() != silent
    assert masked.provenance == {"from": "here"}


def test_on_screen_is_unknown_from_where_the_picture_ends(posterior):
    assert mask_impossible({"av": posterior}, silent=False, mono=False, picture_s=0.0)["av"].onscreen is None
    masked = mask_impossible({"av": posterior}, silent=False, mono=False, picture_s=0.15)["av"]
    assert masked.onscreen[0, :, 0, 0].isnan().tolist() == [False, False, True, True]
    assert not posterior.onscreen.isnan().any()
