"""Posteriors: shapes are checked where they are made, and files keep everything."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.posterior import OPTIONAL, Posterior
from seldfuse.errors import UsageError

THREE = LabelSet("three", (Label("hiss", "Hiss", typical_distance_m=1.5), Label("tone", "Tone"), Label("tick", "Tick")))


def random_posterior(frames: int = 4, tracks: int = 2) -> Posterior:
    shape = (2, frames, 3, tracks)
    direction = torch.nn.functional.normalize(torch.randn(*shape, 3), dim=-1)
    rest = {name: torch.rand(shape) for name in OPTIONAL if name != "direction"}
    return Posterior(torch.rand(shape), direction, **rest, labels=THREE, provenance={"backend": "x", "steps": [1, 2]})


def test_a_saved_posterior_comes_back_whole(tmp_path: Path) -> None:
    posterior = random_posterior()
    posterior.save(tmp_path / "deep" / "clip.safetensors")
    again = Posterior.load(tmp_path / "deep" / "clip.safetensors")
    assert again.provides == posterior.provides
    assert all(torch.equal(again.tensors()[name], tensor) for name, tensor in posterior.tensors().items())
    assert (again.labels, again.hop_s, again.provenance) == (posterior.labels, posterior.hop_s, posterior.provenance)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["clip.safetensors"]


def test_fields_that_are_not_estimated_stay_away(tmp_path: Path) -> None:
    Posterior(torch.rand(1, 2, 3, 1), labels=THREE).save(tmp_path / "a.safetensors")
    assert Posterior.load(tmp_path / "a.safetensors").provides == ("activity",)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 2, 4, 1), "activity has 4 classes, the label set three 3")],
)
def test_classes_must_fit_the_labels(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Posterior(torch.rand(shape), labels=THREE)


def test_fields_must_be_of_one_shape() -> None:
    with pytest.raises(Exception, match="distance"):
        Posterior(torch.rand(1, 2, 3, 1), distance=torch.rand(1, 5, 3, 1), labels=THREE)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no such posterior file: .*gone\.safetensors"):
        Posterior.load(tmp_path / "gone.safetensors")


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    torch.save({"activity": torch.rand(1, 2, 3, 1)}, tmp_path / "bad.safetensors")
    with pytest.raises(UsageError, match="expected a safetensors file, but it cannot be read"):
        Posterior.load(tmp_path / "bad.safetensors")


def test_other_safetensors_are_refused_by_what_they_say(tmp_path: Path) -> None:
    safetensors.torch.save_file({"activity": torch.rand(1, 2, 3, 1)}, tmp_path / "weights.safetensors")
    with pytest.raises(UsageError, match="expected a posterior written by seldfuse, the file says None"):
        Posterior.load(tmp_path / "weights.safetensors")


def test_a_newer_format_asks_for_an_update(tmp_path: Path) -> None:
    path = tmp_path / "new.safetensors"
    random_posterior().save(path)
    with safetensors.safe_open(path, framework="pt") as file:
        header = {**file.metadata(), "version": "99"}
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, metadata=header)
    with pytest.raises(UsageError, match="posterior format 99 is newer than this seldfuse reads"):
        Posterior.load(path)
