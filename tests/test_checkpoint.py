"""Checkpoints are refused with a reason rather than trusted."""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.checkpoint import RETIRED, list_bundled, open_checkpoint, save_checkpoint
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import CheckpointError
from seldfuse.train.recipe import read_preset
from seldfuse_sed_doa.network import SedDoa, from_settings
from seldfuse_sed_doa.train import DoaTask


def fresh() -> SedDoa:
    return from_settings(read_preset(DoaTask.recipes, "small")["network"], DCASE2025)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network, features = fresh(), ["logmel", "intensity"]
    save_checkpoint(tmp_path / "mine", network, "doa", DCASE2025, {"features": features, "network": network.settings()})
    return tmp_path / "mine"


def load(folder: Path) -> torch.nn.Module:
    opened = open_checkpoint(str(folder), "doa")
    network = from_settings(opened.config["network"], opened.labels)
    opened.load_into(network)
    return network


def reason(folder: Path) -> str:
    with pytest.raises(CheckpointError) as refused:
        load(folder)
    assert refused.value.exit_code == 5
    return str(refused.value)


def test_weights_come_back_to_half_precision(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    loaded = load(folder).state_dict()
    assert all(torch.equal(loaded[name], weight.to(loaded[name].dtype)) for name, weight in weights.items())
    assert {weight.dtype for weight in weights.values() if weight.is_floating_point()} == {torch.float16}


def test_a_backend_without_a_bundled_checkpoint_says_what_to_type() -> None:
    with pytest.raises(CheckpointError, match="new has no bundled checkpoint; name one: --backends new@FOLDER"):
        open_checkpoint(None, "new")


def test_a_pickle_is_refused(folder: Path) -> None:
    torch.save(load(folder).state_dict(), folder / "model.safetensors")
    assert reason(folder).startswith(
        "this is a pickle, which could run any code when opened; only safetensors are read"
    )


@pytest.mark.parametrize("first", [b"\x80", b"PK"])
def test_no_length_of_a_header_is_taken_for_a_pickle(folder: Path, first: bytes) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    wanted = int.from_bytes(first, "little")
    longer = length + (wanted - length) % 256 ** len(first)
    # Blanks after the header are part of it.
    header = whole[8 : 8 + length] + b" " * (longer - length)
    path.write_bytes(longer.to_bytes(8, "little") + header + whole[8 + length :])
    assert path.read_bytes().startswith(first)
    load(folder)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert reason(folder).startswith("the weights are damaged or cut short")


def test_weights_for_other_labels_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["labels"]["classes"] = config["labels"]["classes"][:3]
    (folder / "config.json").write_text(json.dumps(config))
    assert reason(folder).startswith("the weights do not fit the network in config.json")


def test_weights_that_are_not_numbers_are_refused(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["activity.2.bias"][0] = torch.nan
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    assert reason(folder).startswith("the weights hold values that are not numbers (activity.2.bias)")


def test_another_backends_checkpoint_says_which(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="the checkpoint is for the backend doa, not sce; type doa@"):
        open_checkpoint(str(folder), "sce")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    assert missing in reason(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"labels": {"name": "x", "classes": []}}'])
def test_broken_settings_are_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert reason(folder).startswith("the checkpoint's settings cannot be read")


@pytest.mark.parametrize(("name", "value"), [("encoders", []), ("network", 3), ("features", "logmel")])
def test_settings_of_another_kind_are_refused(folder: Path, name: str, value: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, name: value}))
    assert f"{name} must be a" in reason(folder)


def test_a_newer_version_asks_for_an_update(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "version": 9}))
    assert "update with `pip install -U seldfuse`" in reason(folder)


def test_an_unknown_name_lists_what_there_is_and_how_to_make_one() -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint 'nowhere'.*`seldfuse train doa -o nowhere`"):
        open_checkpoint("nowhere", "doa")


@pytest.mark.parametrize(("gone", "instead"), RETIRED.items())
def test_a_checkpoint_that_no_longer_ships_names_its_successor(gone: str, instead: str) -> None:
    backend = gone.partition("-")[0]
    with pytest.raises(CheckpointError, match=f"'{gone}' no longer ships; type {instead}, which took its place"):
        open_checkpoint(gone, backend)
    assert load_registry().find_backend(backend).checkpoint == instead
    assert instead in list_bundled()


def test_bundled_checkpoints_have_cards_and_stay_small() -> None:
    root = Path(__file__).parents[1] / "checkpoints"
    assert {"doa-medium", "sde-medium", "sce-medium"} <= set(list_bundled())
    for name in list_bundled():
        card = (root / name / "README.md").read_text()
        assert "Licence" in card
        # Who takes no pictures was trained on none.
        assert ("cut-outs of people" in card) == (name.partition("-")[0] in ("cmc", "mvanet"))
    assert sum(path.stat().st_size for path in root.rglob("*.safetensors")) < 80e6


def test_an_unfinished_save_leaves_the_old_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "model.safetensors").read_bytes()
    network = fresh()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save", full_disk)
    with pytest.raises(Exception, match=r"writing failed \(No space left on device\)"):
        save_checkpoint(folder, network, "doa", DCASE2025, {})
    assert (folder / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    shutil.rmtree(folder)


MOST_MB = {"audio": 30, "audio-visual": 30, "detectors": 14}
"""What all bundled weights of a kind may weigh together."""

KINDS = {"baseline": "audio", "doa": "audio", "sde": "audio", "sce": "audio", "yamnet": "audio"}
KINDS |= {"cmc": "audio-visual", "mvanet": "audio-visual", "compact": "audio-visual"}


def test_bundled_weights_of_each_kind_stay_small() -> None:
    weights_mb = dict.fromkeys(MOST_MB, 0.0)
    for path in (Path(__file__).parents[1] / "checkpoints").rglob("*.safetensors"):
        weights_mb[KINDS[path.parent.name.partition("-")[0]]] += path.stat().st_size / 1e6
    assert {kind: size_mb for kind, size_mb in weights_mb.items() if size_mb > MOST_MB[kind]} == {}
    assert weights_mb["audio"] > 0
