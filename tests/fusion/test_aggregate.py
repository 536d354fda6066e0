"""Stitching windows of a long recording."""

import pytest
import torch

from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth, normalize
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import WindowAggregator

WINDOW = 50
CLASSES = len(DCASE2025)


def recording(frames, tracks=3, seed=0):
    """A random posterior of one recording."""
    g = torch.Generator().manual_seed(seed)
    shape = (1, frames, CLASSES, tracks)
    return Posterior(
        torch.rand(shape, generator=g),
        normalize(torch.randn(*shape, 3, generator=g)),
        distance=0.1 + 5 * torch.rand(shape, generator=g),
        onscreen=0.01 + 0.98 * torch.rand(shape, generator=g),
        azimuth_std_deg=20 * torch.rand(shape, generator=g),
    )


def cut(posterior, starts):
    return posterior.map(lambda value: torch.stack([value[0, start : start + WINDOW] for start in starts]))


def stitched(windows, starts, total, calls=1):
    stitcher = WindowAggregator(overlap_frames=10)
    for rows in torch.arange(len(starts)).chunk(calls):
        stitcher.add(windows.map(lambda value, rows=rows: value[rows]), [starts[row] for row in rows])
    return stitcher.finish(total)


def assert_alike(one, other):
    assert one.provides == other.provides
    for name, tensor in one.tensors().items():
        torch.testing.assert_close(tensor, other.tensors()[name], rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("calls", [1, 2, 4])
@pytest.mark.parametrize("starts", [[0, 40, 80, 120], [0, 40, 80, 87]])
def test_a_recording_cut_into_windows_comes_back(starts, calls):
    whole = recording(starts[-1] + WINDOW)
    assert_alike(stitched(cut(whole, starts), starts, whole.frames, calls), whole)


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_tracks_that_windows_shuffled_are_put_in_order(calls):
    starts = [0, 40, 80, 95]
    whole = recording(145)
    g = torch.Generator().manual_seed(1)
    orders = torch.rand(len(starts), 1, CLASSES, 3, generator=g).argsort(-1)
    orders[0] = torch.arange(3)

    def shuffle(value):
        return value.take_along_dim(orders if value.ndim == 4 else orders.unsqueeze(-1), dim=3)

    windows = cut(whole, starts).map(shuffle)
    assert_alike(stitched(windows, starts, 145, calls), whole)


def test_a_single_window_is_handed_back_exactly():
    window = recording(WINDOW)
    for total in (WINDOW, 23):
        short = stitched(window, [0], total)
        for name, tensor in short.tensors().items():
            assert torch.equal(tensor, window.tensors()[name][:, :total])


def test_one_window_fades_into_the_next():
    activity = torch.zeros(2, WINDOW, CLASSES, 1)
    activity[1] = 1.0
    whole = stitched(Posterior(activity), [0, 40], 90).activity[0, :, 0, 0]
    assert whole[:40].eq(0).all()
    assert whole[50:].eq(1).all()
    torch.testing.assert_close(whole[40:50], torch.arange(1, 11) / 11)


def test_a_window_that_hears_nothing_does_not_pull_direction_or_distance():
    one = torch.ones(2, WINDOW, CLASSES, 1)
    loud = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1)
    azimuth_deg = torch.tensor([30.0, -90.0]).reshape(2, 1, 1, 1) * one
    distance = torch.tensor([2.0, 9.0]).reshape(2, 1, 1, 1) * one
    whole = stitched(Posterior(loud * one, direction_from_azimuth(azimuth_deg), distance), [0, 40], 90)
    assert azimuth_from_direction(whole.direction)[0, :50].flatten().numpy() == pytest.approx(30.0, abs=0.01)
    assert whole.distance[0, :50].flatten().numpy() == pytest.approx(2.0, rel=1e-4)


def test_what_lies_beyond_the_recording_is_cut_off():
    whole = recording(90)
    assert_alike(stitched(cut(whole, [0, 40]), [0, 40], 71), whole.map(lambda value: value[:, :71]))


def test_doubt_that_one_window_does_not_know_comes_from_the_other():
    one = torch.ones(2, WINDOW, CLASSES, 1)
    doubt = torch.tensor([7.0, torch.nan]).reshape(2, 1, 1, 1) * one
    whole = stitched(Posterior(one, direction_from_azimuth(0 * one), azimuth_std_deg=doubt), [0, 40], 90)
    assert whole.azimuth_std_deg[0, :50].flatten().numpy() == pytest.approx(7.0)
    assert whole.azimuth_std_deg[0, 50:].isnan().all()


def test_windows_out_of_order_or_too_few_are_refused():
    stitcher = WindowAggregator()
    with pytest.raises(ValueError, match="cover 0 of 5 frames"):
        stitcher.finish(5)
    windows = cut(recording(90), [0, 40])
    with pytest.raises(ValueError, match=r"expected 2 starts that grow from -1, got \[40, 0\]"):
        stitcher.add(windows, [40, 0])
    with pytest.raises(ValueError, match=r"expected 2 starts that grow from -1, got \[0\]"):
        stitcher.add(windows, [0])
    stitcher.add(windows, [0, 60])
    with pytest.raises(ValueError, match="cover 100 of 110 frames"):
        stitcher.finish(110)
    with pytest.raises(ValueError, match="expected 2 starts that grow from 60"):
        stitcher.add(windows, [40, 100])
