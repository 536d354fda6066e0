"""Angles and the pinhole law."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth, fold_to_front, normalize
from seldfuse.core.geometry import Camera, fold_azimuth


@pytest.mark.parametrize(
    ("azimuth_deg", "folded_deg"),
    [
        (0, 0),
        (30, 30),
        (90, 90),
        (150, 30),
        (180, 0),
        (-30, -30),
        (-90, -90),
        (-150, -30),
        (-180, 0),
        (270, -90),
        (510, 30),
    ],
)
def test_rear_folds_to_its_mirror_image_in_front(azimuth_deg: float, folded_deg: float) -> None:
    assert fold_azimuth(float(azimuth_deg)) == pytest.approx(folded_deg)
    assert fold_azimuth(np.array([float(azimuth_deg)]))[0] == pytest.approx(folded_deg)
    assert fold_azimuth(torch.tensor([float(azimuth_deg)]))[0].item() == pytest.approx(folded_deg)


@given(st.floats(-720, 720))
def test_folding_keeps_the_sine_which_is_all_that_a_coincident_pair_hears(azimuth_deg: float) -> None:
    assert np.sin(np.radians(fold_azimuth(azimuth_deg))) == pytest.approx(np.sin(np.radians(azimuth_deg)), abs=1e-9)


def test_the_challenge_camera_has_the_published_focal_length() -> None:
    assert Camera().focal_px == pytest.approx(268.512, abs=1e-3)
    assert Camera().x_from_azimuth(50.0) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(-89, 89), st.floats(-30, 30))
def test_pixel_and_azimuth_are_inverse(azimuth_deg: float, yaw_deg: float) -> None:
    camera = Camera(yaw_deg=yaw_deg)
    if abs(azimuth_deg - yaw_deg) < 89:
        assert camera.azimuth_from_x(camera.x_from_azimuth(azimuth_deg)) == pytest.approx(azimuth_deg, abs=1e-6)


def test_a_linear_map_would_be_wrong_by_nearly_six_degrees() -> None:
    x_px = np.linspace(0, 640, 641)
    linear_deg = 50.0 - x_px * 100.0 / 640.0
    assert np.abs(linear_deg - Camera().azimuth_from_x(x_px)).max() == pytest.approx(5.79, abs=0.01)


def test_left_is_small_x_and_the_rear_is_never_seen() -> None:
    camera = Camera()
    assert camera.x_from_azimuth(20.0) < 320 < camera.x_from_azimuth(-20.0)
    assert camera.contains(np.array([0.0, 49.0, 51.0, 180.0, 130.0])).tolist() == [True, True, False, False, False]
    assert not camera.contains(0.0, 40.0)


@given(st.floats(-179.9, 180))
def test_azimuth_survives_the_unit_vector(azimuth_deg: float) -> None:
    direction = direction_from_azimuth(torch.tensor([azimuth_deg], dtype=torch.float64))
    assert direction.norm().item() == pytest.approx(1.0)
    assert azimuth_from_direction(direction).item() == pytest.approx(azimuth_deg, abs=1e-6)


def test_a_vector_of_no_length_becomes_the_front() -> None:
    assert normalize(torch.zeros(2, 3)).tolist() == [[1.0, 0.0, 0.0]] * 2


@pytest.mark.parametrize("fov_deg", [0.0, 180.0, -5.0])
def test_a_camera_without_a_view_is_refused(fov_deg: float) -> None:
    with pytest.raises(ValueError, match="horizontal_fov_deg must lie between 0 and 180"):
        Camera(horizontal_fov_deg=fov_deg)


@given(st.floats(-180, 180))
def test_folding_vectors_and_folding_angles_agree(azimuth_deg: float) -> None:
    direction = direction_from_azimuth(torch.tensor([azimuth_deg], dtype=torch.float64))
    assert azimuth_from_direction(fold_to_front(direction)).item() == pytest.approx(fold_azimuth(azimuth_deg), abs=1e-5)
