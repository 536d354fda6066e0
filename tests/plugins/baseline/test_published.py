"""Weights of the challenge's own code: imported, refused, and the same outputs as before."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import challenge_twin
import numpy as np
import pytest
import torch
from challenge_twin import Twin, make_twin

from seldfuse.catalogue.host import load_registry
from seldfuse.checkpoint import open_checkpoint
from seldfuse.cli import main
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import CheckpointError, SeldfuseError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.formats.dcase import read_events
from seldfuse.inference.imported import import_weights
from seldfuse.media.encode import write_wav
from seldfuse.nn.accddoa import decode_accddoa
from seldfuse.weights.conversion import ForeignWeights, Scaler
from seldfuse.weights.training_file import read_training_file
from seldfuse_baseline.infer import BaselineBackend

SMALL = {"filters": 8, "width": 16, "heads": 2, "attentions": 1}


def make_audio() -> np.ndarray:
    """Five seconds that change along the way, up to the very end."""
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.uniform(0.001, 0.15, (2, 25)), 4_800, axis=1)
    samples = rng.standard_normal((2, 120_000)) * loudness
    return (np.round(samples * 2**15) / 2**15).astype(np.float32)  # as 16 bits hold them


def convert(path: Path, out: Path, **options: Any) -> Path:
    return import_weights("baseline", ForeignWeights(read_training_file(path), **options), out)


def load(folder: Path) -> BaselineBackend:
    backend = load_registry().find_backend(f"baseline@{folder}").load(torch.device("cpu"))
    assert isinstance(backend, BaselineBackend)
    return backend


@torch.inference_mode()
def infer_raw(backend: BaselineBackend, audio: np.ndarray) -> torch.Tensor:
    return backend.network(backend.compute_features(make_batch(torch.from_numpy(audio)[None])))


def check_same(twin: Twin, backend: BaselineBackend, hop_s: float = 0.02) -> None:
    audio = make_audio()
    with torch.inference_mode():
        there = twin(challenge_twin.compute_logmel(audio, hop_s)[None])
    assert there.std() > 0.1
    assert (infer_raw(backend, audio) - there).abs().max() < 1e-5


# --- the same outputs -----------------------------------------------------------------------------------------------


def test_the_published_sizes_give_the_outputs_of_the_original(tmp_path: Path) -> None:
    twin = make_twin()
    folder = convert(challenge_twin.save(twin, tmp_path / "best_model.pth"), tmp_path / "imported")
    backend = load(folder)
    assert open_checkpoint(str(folder), "baseline").labels == DCASE2025
    assert all(weight.dtype == torch.float32 for weight in backend.network.parameters())
    check_same(twin, backend)


@pytest.mark.parametrize(
    ("sizes", "hop_ms"),
    [({**SMALL, "recurrent": 1, "attentions": 3}, 20.0), ({**SMALL, "time_pool": 10}, 10.0)],
    ids=["other sizes", "another hop"],
)
def test_sizes_are_read_from_the_weights(tmp_path: Path, sizes: dict[str, int], hop_ms: float) -> None:
    twin = make_twin(**sizes)
    path = challenge_twin.save(twin, tmp_path / "best_model.pth")
    check_same(twin, load(convert(path, tmp_path / "imported", heads=2, hop_ms=hop_ms)), hop_ms / 1000)


def test_the_column_behind_the_last_frame_counts(tmp_path: Path) -> None:
    backend = load(
        convert(challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth"), tmp_path / "new", heads=2)
    )
    assert backend.compute_features(make_batch(torch.zeros(1, 2, 120_000))).shape == (1, 2, 251, 64)
    with_it = infer_raw(backend, make_audio())
    backend.network.config = replace(backend.network.config, last_column=False)
    assert (infer_raw(backend, make_audio()) - with_it).abs().max() > 3e-5


@torch.inference_mode()
def test_a_scaler_standardizes_the_features(tmp_path: Path) -> None:
    twin = make_twin(**SMALL)
    path = challenge_twin.save(twin, tmp_path / "best_model.pth")
    mean, deviation = torch.rand(2, 64) * 5 - 40, torch.rand(2, 64) * 5 + 7
    backend = load(convert(path, tmp_path / "imported", heads=2, scaler=Scaler(mean, deviation)))
    logmel = challenge_twin.compute_logmel(make_audio())
    there = twin(((logmel - mean[:, None]) / deviation[:, None])[None])
    assert (infer_raw(backend, make_audio()) - there).abs().max() < 1e-5


def test_a_run_writes_what_the_original_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    twin, audio = make_twin(**SMALL), make_audio()
    challenge_twin.save(twin, tmp_path / "best_model.pth")
    assert seldfuse("checkpoints", "import", "best_model.pth", "-o", "new", "--heads", "2") == 0
    write_wav(tmp_path / "clip.wav", audio)
    assert seldfuse("run", "clip.wav", "--backends", "baseline@new", "--fusion", "mean", "-o", "out") == 0
    with torch.inference_mode():
        (there,) = decode_accddoa(twin(challenge_twin.compute_logmel(audio)[None]))
    here = read_events(tmp_path / "out" / "clip.csv", DCASE2025)
    columns = ["frame", "cls"]
    assert set(map(tuple, here.table[columns].to_numpy())) == set(map(tuple, there.table[columns].to_numpy()))
    alone = there.table[~there.table.duplicated(columns, keep=False)].merge(here.table, on=columns)
    turned = fold_azimuth(alone["azimuth_deg_x"].to_numpy()) - alone["azimuth_deg_y"].to_numpy()
    assert len(alone) > 20
    assert np.quantile(np.abs(turned), 0.9) <= 0.5


# --- options --------------------------------------------------------------------------------------------------------


def seldfuse(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_classes_in_another_order_keep_their_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    challenge_twin.save(make_twin(**SMALL, classes=3), tmp_path / "mine.pth")
    labels = ("--labels", "knock, bell,dog_bark")
    assert seldfuse("checkpoints", "import", "mine.pth", "-o", "new", "--heads", "2", *labels) == 0
    found = open_checkpoint("new", "baseline").labels
    assert found.names == ("knock", "bell", "dog_bark")
    assert [label.title for label in found.classes] == ["Knock", "Bell", "Dog bark"]


def test_a_scaler_is_read_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth")
    common = ("checkpoints", "import", str(path), "--heads", "2", "-o", str(tmp_path / "new"), "--scaler")
    np.savez(tmp_path / "good.npz", mean=np.full(128, -40.0), std=np.full((2, 64), 8.0))
    assert seldfuse(*common, str(tmp_path / "good.npz")) == 0
    assert (load(tmp_path / "new").network.deviation == 8.0).all()
    for name, arrays in {
        "lacks": {"mean": np.zeros(128)},
        "zero": {"mean": np.zeros(128), "std": np.zeros(128)},
        "short": {"mean": np.zeros(64), "std": np.ones(64)},
        "pickled": {"mean": np.array([None] * 128), "std": np.ones(128)},
    }.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        assert seldfuse(*common, str(tmp_path / f"{name}.npz")) == 2
    assert "expected an .npz with arrays mean and std" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "--heads must divide the network's width 16, got 3"),
        ({"hop_ms": 30.0}, "--hop-ms must divide a frame of 100 ms, such as 20 or 10, got 30"),
        ({"hop_ms": 0.0}, "--hop-ms must divide"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth")
    with pytest.raises(UsageError, match=message):
        convert(path, tmp_path / "new", **{"heads": 2, **options})
    assert not (tmp_path / "new").exists()


# --- the checkpoint -------------------------------------------------------------------------------------------------


def test_the_checkpoint_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth", loss=np.float64("nan"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    folder = import_weights("baseline", ForeignWeights(read_training_file(path), heads=2))
    assert folder == Path(f"baseline-{digest[:8]}")
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    imported = json.loads((folder / "config.json").read_text())["imported"]
    assert imported["sha256"] == digest
    assert imported["recorded"]["best_f_score"] == pytest.approx(0.2278)
    assert "loss" not in imported["recorded"]
    card = (folder / "README.md").read_text()
    for words in (digest, "Not known are the data", "| Licence | unknown |", "best_f_score 0.2278", "hop 20 ms"):
        assert words in card
    # Again: the same file may overwrite its own checkpoint, another may not.
    import_weights("baseline", ForeignWeights(read_training_file(path), heads=2))
    other = challenge_twin.save(make_twin(1, **SMALL), tmp_path / "other.pth")
    with pytest.raises(
        UsageError, match=r"there is another checkpoint already; name another folder with -o: baseline-"
    ):
        convert(other, folder, heads=2)


def test_the_published_file_is_known_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth")
    (stated,) = load_registry().backends["baseline"].value.published
    monkeypatch.setattr("seldfuse.inference.imported.hash_git_blob", lambda _: stated.git_blob)
    card = (convert(path, tmp_path / "new", heads=2) / "README.md").read_text()
    assert "published as partha2409/DCASE2025_seld_baseline: https://raw.githubusercontent.com/" in card
    assert "| Licence | MIT |" in card


def test_backends_that_import_nothing_say_which_do(tmp_path: Path) -> None:
    path = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth")
    with pytest.raises(UsageError, match="the backend sce imports no weights of others; those that do: baseline"):
        import_weights("sce", ForeignWeights(read_training_file(path)), tmp_path / "new")


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"pictures": 1}, "weights of the audio-visual model, which cannot be imported yet; name those of the audio"),
        ({"inputs": 7}, "expected a network of stereo, two channels of log-mel, got 7 channels"),
        ({"tracks": 1}, r"weights of a single-track network \(multiACCDOA False\)"),
        ({"classes": 12}, "expected 117 outputs, 3 tracks of 3 numbers for each of 13 classes, got 108; name the"),
    ],
)
def test_relatives_of_the_network_are_refused(tmp_path: Path, sizes: dict[str, int], message: str) -> None:
    path = challenge_twin.save(make_twin(**SMALL, **sizes), tmp_path / "best_model.pth")
    with pytest.raises(CheckpointError, match=message):
        convert(path, tmp_path / "new", heads=2)


def test_another_layout_is_refused_by_its_tensors(tmp_path: Path) -> None:
    twin = make_twin(**SMALL)
    twin.fnn_list[0] = torch.nn.Linear(16, 24)
    twin.fnn_list.append(torch.nn.Linear(3, 4))
    path = challenge_twin.save(twin, tmp_path / "best_model.pth")
    with pytest.raises(CheckpointError, match=r"fnn_list.2.weight is left over.*: /") as refused:
        convert(path, tmp_path / "new", heads=2)
    assert "fnn_list.0.weight is 24 × 16, not 16 × 16" in str(refused.value)


def test_files_without_the_network_are_refused(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="expected weights under 'seld_model', the file holds model"):
        convert(tmp_path / "other.pth", tmp_path / "new")
    torch.save({"seld_model": {"weight": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"there is no conv_blocks\.0\.conv\.weight"):
        convert(tmp_path / "other.pth", tmp_path / "new")


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    twin = make_twin(**SMALL)
    with torch.no_grad():
        twin.fnn_list[0].bias[0] = float("nan")
    with pytest.raises(CheckpointError, match="values that are not numbers"):
        convert(challenge_twin.save(twin, tmp_path / "best_model.pth"), tmp_path / "new", heads=2)


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker = tmp_path / "ran"
    path = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth", note=Malicious(marker))
    assert seldfuse("checkpoints", "import", str(path), "-o", str(tmp_path / "new")) == 5
    error = capsys.readouterr().err
    assert "the file holds posix.mkdir; only tensors, types of Python, and numpy's scalars and dtypes are read" in error
    assert not marker.exists()
    assert not (tmp_path / "new").exists()


def test_the_settings_beside_it_are_never_opened(tmp_path: Path) -> None:
    path = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth")
    (tmp_path / "config.pkl").symlink_to(tmp_path / "nowhere")
    assert convert(path, tmp_path / "new", heads=2).is_dir()


@pytest.mark.parametrize(
    "value", [np.arange(3), np.dtype("O"), np.dtype([("a", "f4")]), Path("a"), torch.nn.Linear(1, 1)], ids=repr
)
def test_nothing_but_scalars_and_their_dtypes_is_read_beside_tensors(tmp_path: Path, value: Any) -> None:
    torch.save({"value": value}, tmp_path / "some.pth")
    with pytest.raises(CheckpointError, match=r"the file (holds|is damaged, or holds)"):
        read_training_file(tmp_path / "some.pth")


@pytest.mark.parametrize("value", [np.float64(0.5), np.float32(2), np.int64(3), np.True_, np.dtype("f4")], ids=repr)
def test_scalars_are_read(tmp_path: Path, value: Any) -> None:
    torch.save({"value": value}, tmp_path / "some.pth")
    assert read_training_file(tmp_path / "some.pth").content["value"] == value


def test_scalars_that_another_numpy_stored_are_read(tmp_path: Path) -> None:
    torch.save({"value": np.float64(0.5)}, tmp_path / "some.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "some.pth").read_bytes()
    modules = (b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n")
    assert any(module in data for module in modules)
    for module in modules:
        (tmp_path / "other.pth").write_bytes(data.replace(modules[1], modules[0]).replace(modules[0], module))
        assert read_training_file(tmp_path / "other.pth").content["value"] == 0.5


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = challenge_twin.save(make_twin(**SMALL), tmp_path / "best_model.pth").read_bytes()
    for data in (b"", b"<html>no</html>", whole[: len(whole) // 2]):
        (tmp_path / "cut.pth").write_bytes(data)
        with pytest.raises(CheckpointError, match="damaged"):
            read_training_file(tmp_path / "cut.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="expected a dictionary of weights, got list"):
        read_training_file(tmp_path / "list.pth")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SeldfuseError):
            read_training_file(path)
