"""CMC's base preset, with CLAP and OWL-ViT from folders of tiny random models."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import save_models
from worlds import call, film, noise

from seldfuse.checkpoint import save_checkpoint
from seldfuse.compat.transformers import import_transformers
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.load import load_encoder
from seldfuse.errors import UsageError
from seldfuse.inference.clips import NO_PICTURE
from seldfuse.media.encode import write_wav
from seldfuse.train.recipe import Recipe, parse_recipe, read_preset
from seldfuse.weights.find import find_weights_folder
from seldfuse_cmc.network import Cmc, from_settings
from seldfuse_cmc.train import CmcTask

CPU = torch.device("cpu")
WEIGHTS = {"clap": "laion/clap-htsat-unfused", "owlvit": "google/owlvit-base-patch32"}
HEARD = {"encoder": "clap", "tokens": 1, "channels": 16 + 12, "dropout": 0.0}
SEEN = {"encoder": "owlvit", "tokens": 8, "channels": 16}
"""What the tiny models give."""

SMALL = {"widths": [4, 4, 8, 8], "projection": 8, "dim": 16, "blocks": 2, "heads": 2, "head_dim": 8}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return parse_recipe(read_preset(CmcTask.recipes, "base"))


def network(recipe: Recipe, **trunk: Any) -> Cmc:
    """The preset's network for the tiny encoders, its trunk perhaps smaller."""
    torch.manual_seed(0)
    settings = {
        **recipe.network,
        "audio_tokens": HEARD,
        "visual_tokens": SEEN,
        "trunk": {**recipe.network["trunk"], **trunk},
    }
    return from_settings(settings, DCASE2025)


def test_the_preset_has_the_sizes_of_the_real_encoders(recipe: Recipe) -> None:
    library = import_transformers()
    sound, picture = library.ClapAudioConfig(), library.OwlViTVisionConfig()
    heard, seen = recipe.network["audio_tokens"], recipe.network["visual_tokens"]
    assert recipe.encoders == (heard["encoder"], seen["encoder"]) == tuple(WEIGHTS)
    last_map = sound.patch_embeds_hidden_size * 2 ** (len(sound.depths) - 1)
    assert (heard["tokens"], heard["channels"]) == (1, last_map + sound.projection_dim)
    assert (seen["tokens"], seen["channels"]) == (picture.image_size // picture.patch_size, picture.hidden_size)
    with torch.device("meta"):
        whole = from_settings(recipe.network, DCASE2025)
    assert len(whole.hearing) == len(whole.seeing) == 4
    assert sum(weights.numel() for weights in whole.parameters()) == 40_912_854


def test_at_full_size_it_runs_forward_and_backward(recipe: Recipe, models: Path) -> None:
    clap, owlvit = (
        load_encoder(f"clap@{models / 'clap'}", CPU).model,
        load_encoder(f"owlvit@{models / 'owlvit'}", CPU).model,
    )
    sound = torch.from_numpy(noise(10.0)[:1])
    pictures = torch.randint(0, 256, (10, 3, owlvit.height_px, owlvit.width_px), dtype=torch.uint8)
    given = {
        "clap": clap.encode(sound).to_frames(),
        "owlvit": owlvit.encode(pictures).repeat_interleave(5, dim=0)[None],
    }
    assert given["clap"].shape == (1, 50, *(HEARD[key] for key in ("tokens", "channels")))
    assert given["owlvit"].shape == (1, 50, *(SEEN[key] for key in ("tokens", "channels")))
    given = {name: tokens.clone() for name, tokens in given.items()}
    learner, task = network(recipe).train(), CmcTask()
    activity = torch.zeros(1, 50, 13, 3)
    activity[:, 10:30, 1, 0] = 1.0
    direction = torch.tensor([1.0, 0.0, 0.0]).expand(1, 50, 13, 3, 3)
    truth = Posterior(activity, direction, torch.ones_like(activity), activity.clone(), labels=DCASE2025)
    features = torch.randn(1, 4, 250, 64, generator=torch.Generator().manual_seed(1))
    task.loss(learner(features, given), truth, recipe.loss).backward()
    for attention in (*learner.hearing, *learner.seeing):
        assert attention.gate.grad.abs() > 0
    assert learner.trunk.into[0].weight.grad.isfinite().all()


def test_what_nobody_gives_is_missing_and_changes_nothing_else(recipe: Recipe) -> None:
    small = network(recipe, **SMALL).eval()
    for attention in (*small.hearing, *small.seeing):
        attention.gate.data.fill_(1.0)
    features = torch.randn(1, 4, 250, 64)
    heard, seen = torch.randn(1, 50, 1, 28), torch.randn(1, 50, 8, 16)
    nothing = {"clap": torch.full_like(heard, torch.nan), "owlvit": torch.full_like(seen, torch.nan)}
    with torch.inference_mode():
        assert torch.equal(small(features), small(features, nothing))
        for name, tokens in (("clap", heard), ("owlvit", seen)):
            one = small(features, {name: tokens})
            assert torch.equal(one, small(features, {**nothing, name: tokens}))
            assert not torch.equal(one, small(features))


def test_tokens_of_other_weights_are_refused_with_what_to_write(recipe: Recipe) -> None:
    small = network(recipe, **SMALL).eval()
    with pytest.raises(UsageError) as error:
        small(torch.randn(1, 4, 250, 64), {"owlvit": torch.zeros(1, 50, 24, 768)})
    assert str(error.value) == (
        "expected 8 tokens of 16 values from owlvit, got 24 of 768; write these into the recipe's [network], "
        "or take other weights: owlvit@FOLDER"
    )


@pytest.fixture
def cache(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that holds the tiny models as the weights of the large ones."""
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    for name, reference in WEIGHTS.items():
        shutil.copytree(models / name, find_weights_folder(reference))
    return tmp_path / "cache"


def saved(recipe: Recipe, folder: Path) -> Path:
    """A checkpoint of the tiny encoders that opens its gates."""
    small = network(recipe, **SMALL)
    for attention in (*small.hearing, *small.seeing):
        attention.gate.data.fill_(1.0)
    versions = {
        "clap": load_encoder("clap", CPU).version,
        "owlvit": load_encoder("owlvit", CPU).version,
    }
    settings = {"features": list(recipe.features), "encoders": versions, "network": small.settings(), "training": {}}
    save_checkpoint(folder, small, "cmc", DCASE2025, settings)
    return folder


def test_a_run_hears_and_sees_through_both(recipe: Recipe, cache: Path, tmp_path: Path, capsys) -> None:
    backends = f"cmc@{saved(recipe, tmp_path / 'cmc')}"
    assert call("run", "@demo", "--backends", backends, "-o", str(tmp_path / "out"), "--save-posteriors", "--json") == 0
    said = capsys.readouterr()
    (result,) = json.loads(said.out)["results"]
    assert {"clap", "owlvit"} <= set(said.err.split())
    assert not any("no " in note for note in result["notes"])
    # Three windows of sound, and twice five seconds of pictures.
    assert len(list((cache / "embeddings").rglob("*.safetensors"))) == 3 + 2
    # Without a picture it goes on, and says so.
    write_wav(tmp_path / "sound.wav", noise(5.0))
    assert call("run", str(tmp_path / "sound.wav"), "--backends", backends, "-o", str(tmp_path / "out"), "--json") == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert NO_PICTURE in result["notes"]


def test_weights_that_are_missing_or_others_end_a_run(recipe: Recipe, cache: Path, tmp_path: Path, capsys) -> None:
    backends = f"cmc@{saved(recipe, tmp_path / 'cmc')}"
    folder = find_weights_folder(WEIGHTS["clap"])
    shutil.move(folder, tmp_path / "elsewhere")
    assert call("run", "@demo", "--backends", backends, "-o", str(tmp_path / "out")) == 5
    assert f"get them with `seldfuse checkpoints fetch {WEIGHTS['clap']}`: {folder}" in capsys.readouterr().err
    library = import_transformers()
    shutil.copytree(tmp_path / "elsewhere", folder)
    config = library.ClapConfig.from_pretrained(folder, local_files_only=True)
    library.ClapModel(config).save_pretrained(folder)
    assert call("run", "@demo", "--backends", backends, "-o", str(tmp_path / "out")) == 5
    assert "was trained with clap of version" in capsys.readouterr().err


def test_it_learns_from_folders_with_weights_that_the_user_names(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    for seed, clip in enumerate(("fold1_a", "fold1_b", "fold4_c")):
        film(data / f"{clip}.mp4", 5.0)
        write_wav(data / f"{clip}.wav", noise(5.0, seed))
        (data / f"{clip}.csv").write_text("frame,class,source,azimuth,distance,onscreen\n20,1,0,30,200,1\n")
    references = [f"clap@{models / 'clap'}", f"owlvit@{models / 'owlvit'}"]
    small = {**parse_recipe(read_preset(CmcTask.recipes, "base")).network["trunk"], **SMALL}
    assigned = {
        "encoders": json.dumps(references),
        "network.audio_tokens": _inline(HEARD),
        "network.visual_tokens": _inline(SEEN),
        "network.trunk": _inline(small),
        "run.batch_size": "2",
        "run.validate_every": "1",
    }
    assignments = [word for key, value in assigned.items() for word in ("--set", f"{key}={value}")]
    train = ["train", "cmc", "--preset", "base", "--data", str(data), "-o", str(out), "--steps", "5", *assignments]
    assert call(*train) == 0
    config = json.loads((out / "config.json").read_text())
    assert list(config["encoders"]) == references
    capsys.readouterr()
    video = str(data / "fold1_a.mp4")
    assert call("run", video, "--backends", f"cmc@{out}", "-o", str(tmp_path / "out"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["backends"] == [f"cmc@{out}"]


def _inline(table: dict[str, Any]) -> str:
    """A table as TOML writes it in one line."""
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + "}"
