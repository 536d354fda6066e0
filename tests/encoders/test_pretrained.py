"""The large encoders, from tiny random models in folders like the hub's, through the same code as the real ones."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from tiny import HOP, RESNET, save_models
from torch import Tensor
from torch.nn import functional as F

from seldfuse.compat.transformers import import_transformers
from seldfuse.encoders.clap import compute_step_centers_s
from seldfuse.encoders.interpolate import interpolate_to_frames
from seldfuse.encoders.load import load_encoder
from seldfuse.encoders.models import AudioEncoderModel, ImageEncoderModel
from seldfuse.encoders.owlvit import average_columns, paste_on_canvas
from seldfuse.encoders.resnet50 import to_transformers_names
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.weights.find import find_weights, find_weights_folder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models"))


def pictures(encoder: ImageEncoderModel, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(
        0, 256, (count, 3, encoder.height_px, encoder.width_px), dtype=torch.uint8, generator=generator
    )


EYES = [("resnet50", "resnet"), ("resnet50-map", "resnet"), ("owlvit", "owlvit")]


# All encoders of pictures


@pytest.mark.parametrize(("name", "folder"), EYES)
def test_an_encoder_gives_what_it_promises_and_always_the_same(models: Path, name: str, folder: str) -> None:
    encoder = load_encoder(f"{name}@{models / folder}", CPU).model
    assert isinstance(encoder, ImageEncoderModel)
    assert encoder.name == name
    assert 10 % encoder.rate_hz == 0
    found = encoder.encode(pictures(encoder))
    assert found.shape == (3, encoder.tokens, encoder.channels)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert found.std(dim=0).mean() > 0
    again = load_encoder(f"{name}@{models / folder}", CPU).model
    assert again.version == encoder.version
    assert torch.equal(again.encode(pictures(encoder)), found)


@pytest.mark.parametrize(("name", "folder"), EYES)
def test_a_batch_is_its_pictures_one_by_one(models: Path, name: str, folder: str) -> None:
    encoder = load_encoder(f"{name}@{models / folder}", CPU).model
    some = pictures(encoder, 6)
    singly = torch.cat([encoder.encode(picture[None]) for picture in some])
    torch.testing.assert_close(encoder.encode(some), singly, rtol=1e-4, atol=1e-5)


# ResNet-50


def torchvision_map(state: Mapping[str, Tensor], values: Tensor) -> Tensor:
    """The last map of a ResNet of bottlenecks under torchvision's names, written from the paper."""

    def layer(values: Tensor, conv: str, norm: str, stride: int = 1, padding: int = 0) -> Tensor:
        found = F.conv2d(values, state[f"{conv}.weight"], stride=stride, padding=padding)
        mean, variance, weight, bias = (
            state[f"{norm}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(found, mean, variance, weight, bias)

    values = F.max_pool2d(layer(values, "conv1", "bn1", 2, 3).relu(), 3, 2, 1)
    for number, depth in enumerate(RESNET["depths"], start=1):
        for block in range(depth):
            name, stride = f"layer{number}.{block}", 2 if number > 1 and block == 0 else 1
            inner = layer(values, f"{name}.conv1", f"{name}.bn1").relu()
            inner = layer(inner, f"{name}.conv2", f"{name}.bn2", stride, 1).relu()
            inner = layer(inner, f"{name}.conv3", f"{name}.bn3")
            if block == 0:
                values = layer(values, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            values = (values + inner).relu()
    return values


def torchvision_weights() -> dict[str, Tensor]:
    """Random weights of a tiny ResNet under torchvision's names, with the classifier that nobody needs."""
    generator = torch.Generator().manual_seed(2)
    state: dict[str, Tensor] = {"fc.weight": torch.zeros(5, 64), "fc.bias": torch.zeros(5)}

    def add(conv: str, norm: str, wide_out: int, wide_in: int, side: int) -> None:
        weight = torch.randn((wide_out, wide_in, side, side), generator=generator)
        state[f"{conv}.weight"] = weight / (wide_in * side * side) ** 0.5
        for kind in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{kind}"] = torch.rand((wide_out,), generator=generator) + 0.5
        state[f"{norm}.num_batches_tracked"] = torch.tensor(3)

    add("conv1", "bn1", 4, 3, 7)
    wide_in = 4
    for number, (wide_out, depth) in enumerate(zip(RESNET["hidden_sizes"], RESNET["depths"], strict=True), start=1):
        for block in range(depth):
            name = f"layer{number}.{block}"
            add(f"{name}.conv1", f"{name}.bn1", wide_out // 4, wide_in, 1)
            add(f"{name}.conv2", f"{name}.bn2", wide_out // 4, wide_out // 4, 3)
            add(f"{name}.conv3", f"{name}.bn3", wide_out, wide_out // 4, 1)
            if block == 0:
                add(f"{name}.downsample.0", f"{name}.downsample.1", wide_out, wide_in, 1)
            wide_in = wide_out
    return state


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_weights_of_torchvision_give_torchvisions_map(models: Path, tmp_path: Path, file: str) -> None:
    state = torchvision_weights()
    shutil.copy(models / "resnet" / "config.json", tmp_path)
    if file.endswith(".bin"):
        torch.save(state, tmp_path / file)
    else:
        safetensors.torch.save_file(state, tmp_path / file)
    encoder = load_encoder(f"resnet50-map@{tmp_path}", CPU).model
    picture = pictures(encoder, 2)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    values = (picture / 255.0 - mean.reshape(3, 1, 1)) / deviation.reshape(3, 1, 1)
    edged = torch.cat([values[:, :, :1], values, values[:, :, -1:]], dim=2)
    wanted = F.adaptive_avg_pool2d(torchvision_map(state, edged), 7).flatten(2).transpose(1, 2)
    torch.testing.assert_close(encoder.encode(picture), wanted, rtol=1e-4, atol=1e-4)
    assert wanted.std() > 0.01


def test_every_name_of_torchvisions_resnet_50_has_a_place() -> None:
    library = import_transformers()
    with torch.device("meta"):
        network = library.ResNetModel(library.ResNetConfig())
    names = [f"{stem}.{kind}" for stem, kinds in _torchvision_layers() for kind in kinds]
    found = to_transformers_names({name: torch.zeros(()) for name in names})
    assert set(found) == set(network.state_dict())


def _torchvision_layers() -> list[tuple[str, tuple[str, ...]]]:
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    layers = [("conv1", ("weight",)), ("bn1", norm), ("fc", ("weight", "bias"))]
    for number, depth in enumerate((3, 4, 6, 3), start=1):
        for block in range(depth):
            for part in (1, 2, 3):
                layers += [
                    (f"layer{number}.{block}.conv{part}", ("weight",)),
                    (f"layer{number}.{block}.bn{part}", norm),
                ]
        layers += [(f"layer{number}.0.downsample.0", ("weight",)), (f"layer{number}.0.downsample.1", norm)]
    return layers


def test_the_two_readings_of_resnet_50_agree(models: Path) -> None:
    columns, places = (load_encoder(f"{name}@{models / 'resnet'}", CPU).model for name in ("resnet50", "resnet50-map"))
    some = pictures(columns)
    grid = places.encode(some).mean(dim=2).reshape(3, 7, 7)  # (picture, row, column)
    torch.testing.assert_close(columns.encode(some), grid.transpose(1, 2))


def test_resnet_50_sees_left_at_the_left(models: Path) -> None:
    encoder = load_encoder(f"resnet50@{models / 'resnet'}", CPU).model
    assert changes(encoder, slice(0, 32))[:2].sum() > changes(encoder, slice(0, 32))[-2:].sum()
    assert changes(encoder, slice(-32, None))[:2].sum() < changes(encoder, slice(-32, None))[-2:].sum()


def changes(encoder: ImageEncoderModel, where: slice) -> Tensor:
    """How much each token changes when a bright thing appears in some columns of a dull picture."""
    dull = torch.full((1, 3, encoder.height_px, encoder.width_px), 90, dtype=torch.uint8)
    bright = dull.clone()
    bright[..., encoder.height_px // 4 : encoder.height_px // 2, where] = 250
    return (encoder.encode(bright) - encoder.encode(dull)).abs().mean(dim=2)[0]


# OWL-ViT


def test_owl_vit_takes_its_sizes_from_the_config(models: Path) -> None:
    encoder = load_encoder(f"owlvit@{models / 'owlvit'}", CPU).model
    assert (encoder.width_px, encoder.height_px) == (64, 36)
    assert (encoder.tokens, encoder.channels) == (8, 16)


def test_owl_vit_is_the_library_s_tower_and_its_last_norm(models: Path) -> None:
    encoder = load_encoder(f"owlvit@{models / 'owlvit'}", CPU).model
    some = pictures(encoder)
    canvas = torch.full((3, 3, 64, 64), 0.5)
    canvas[:, :, :36] = some / 255.0
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(3, 1, 1)
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(3, 1, 1)
    library = import_transformers()
    whole = library.OwlViTForObjectDetection.from_pretrained(models / "owlvit", local_files_only=True).eval()
    vision = whole.owlvit.vision_model
    with torch.inference_mode():
        patches = vision.post_layernorm(vision((canvas - mean) / deviation).last_hidden_state)[:, 1:]
    # 36 of 64 rows are 4.5 of 8 patches; the one that is half a picture counts.
    wanted = torch.stack([patches[:, column::8][:, :5].mean(dim=1) for column in range(8)], dim=1)
    torch.testing.assert_close(encoder.encode(some), wanted, rtol=1e-4, atol=1e-5)


def test_the_tower_alone_loads_like_the_whole_detector(models: Path, tmp_path: Path) -> None:
    library = import_transformers()
    library.OwlViTVisionModel.from_pretrained(models / "owlvit", local_files_only=True).save_pretrained(tmp_path)
    whole, tower = (load_encoder(f"owlvit@{folder}", CPU).model for folder in (models / "owlvit", tmp_path))
    assert torch.equal(whole.encode(pictures(whole)), tower.encode(pictures(whole)))
    assert whole.version != tower.version


def test_owl_vit_sees_left_at_the_left(models: Path) -> None:
    encoder = load_encoder(f"owlvit@{models / 'owlvit'}", CPU).model
    assert changes(encoder, slice(0, 16)).argmax() < 2
    assert changes(encoder, slice(48, None)).argmax() >= 6


def test_patches_are_averaged_over_rows_and_keep_their_column() -> None:
    grid = torch.zeros(1, 3, 4, 1)
    grid[0, :2, 1] = torch.tensor([[2.0], [4.0]])
    grid[0, 2] = 100.0
    found = average_columns(grid.reshape(1, 12, 1), columns=4, rows=2)
    assert found.flatten().tolist() == [0.0, 3.0, 0.0, 0.0]


def test_the_canvas_is_grey_below_the_picture() -> None:
    canvas = paste_on_canvas(torch.full((1, 3, 9, 16), 255, dtype=torch.uint8), 16)
    assert canvas.shape == (1, 3, 16, 16)
    assert (canvas[:, :, :9] == 1.0).all()
    assert (canvas[:, :, 9:] == 0.5).all()


# CLAP


def tones(count: int, seconds: float = 5.0) -> Tensor:
    """The same noise everywhere, with a tone in the first half of the second window and in the last of the third."""
    generator = torch.Generator().manual_seed(3)
    noise = 0.01 * torch.randn((1, round(48_000 * seconds)), generator=generator)
    sound = noise.repeat(count, 1)
    tone = torch.sin(2 * torch.pi * 1_000 * torch.arange(sound.shape[1]) / 48_000)
    half = sound.shape[1] // 2
    sound[1, :half] += tone[:half]
    sound[2, half:] += tone[half:]
    return sound


def test_clap_gives_what_it_promises_and_always_the_same(models: Path) -> None:
    encoder = load_encoder(f"clap@{models / 'clap'}", CPU).model
    assert isinstance(encoder, AudioEncoderModel)
    assert (encoder.name, encoder.sample_rate_hz) == ("clap", 48_000)
    assert (encoder.whole_channels, encoder.channels) == (12, 16)
    found = encoder.encode(tones(3))
    assert found.window.shape == (3, 12)
    assert found.frames.shape == (3, 50, 16)
    assert found.frames.std(dim=1).mean() > 0
    again = load_encoder(f"clap@{models / 'clap'}", CPU).model.encode(tones(3))
    assert torch.equal(again.window, found.window)
    assert torch.equal(again.frames, found.frames)


def test_windows_of_sound_do_not_know_each_other(models: Path) -> None:
    encoder = load_encoder(f"clap@{models / 'clap'}", CPU).model
    together = encoder.encode(tones(3))
    alone = [encoder.encode(window[None]) for window in tones(3)]
    torch.testing.assert_close(together.window, torch.cat([one.window for one in alone]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.frames, torch.cat([one.frames for one in alone]), rtol=1e-4, atol=1e-5)


def test_clap_is_the_library_s_embedding(models: Path) -> None:
    encoder = load_encoder(f"clap@{models / 'clap'}", CPU).model
    library = import_transformers()
    whole = library.ClapModel.from_pretrained(models / "clap", local_files_only=True).eval()
    extractor = library.ClapFeatureExtractor(feature_size=16, hop_length=HOP)
    prepared = extractor(list(tones(3).numpy()), sampling_rate=48_000, truncation="rand_trunc", return_tensors="pt")
    with torch.inference_mode():
        hidden = whole.audio_model(input_features=prepared["input_features"])
        wanted = whole.audio_projection(hidden.pooler_output)
    torch.testing.assert_close(encoder.encode(tones(3)).window, wanted, rtol=1e-4, atol=1e-5)


def test_what_sounds_early_changes_early_frames(models: Path) -> None:
    encoder = load_encoder(f"clap@{models / 'clap'}", CPU).model
    frames = encoder.encode(tones(3)).frames
    early, late = ((frames[number] - frames[0]).abs().mean(dim=1) for number in (1, 2))
    assert early[5:20].mean() > 1.5 * early[30:45].mean()
    assert late[30:45].mean() > 1.5 * late[5:20].mean()


def test_a_window_that_is_too_long_is_refused(models: Path) -> None:
    encoder = load_encoder(f"clap@{models / 'clap'}", CPU).model
    with pytest.raises(ValueError, match="expected windows of up to 480000 samples, got 480001"):
        encoder.encode(torch.zeros(1, 480_001))


def test_the_steps_of_the_real_network_lie_where_the_arithmetic_says() -> None:
    # 10 s are 1001 spectra, 10 ms apart, stretched to 1024 columns, of which a step of 32 is one.
    middles_s = compute_step_centers_s(steps=32, columns=1024, frames=1001, hop_s=0.01)
    assert middles_s[0] == pytest.approx(15.5 * 1000 / 1023 * 0.01)
    assert middles_s[1] - middles_s[0] == pytest.approx(0.3128, abs=1e-4)
    assert middles_s[15] < 5.0 < middles_s[16]


def test_steps_become_frames_by_time() -> None:
    middles_s = compute_step_centers_s(steps=32, columns=1024, frames=1001, hop_s=0.01)
    steps = torch.tensor(middles_s)[None, :, None]
    times_s = interpolate_to_frames(steps, middles_s, 5.0)[0, :, 0]
    wanted = (torch.arange(50) + 0.5) / 10
    torch.testing.assert_close(times_s, wanted.clamp(middles_s[0], middles_s[15]), rtol=1e-4, atol=1e-4)


# Where weights come from


def missing(reference: str, encoder: str = "resnet50") -> str:
    with pytest.raises(CheckpointError) as error:
        load_encoder(f"{encoder}@{reference}", CPU)
    return str(error.value)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("name", "reference", "lacks", "size_mb"),
    [
        ("resnet50", "microsoft/resnet-50", "model.safetensors", 103),
        ("owlvit", "google/owlvit-base-patch32", "config.json and model.safetensors", 613),
        (
            "clap",
            "laion/clap-htsat-unfused",
            "config.json and preprocessor_config.json and model.safetensors",
            615,
        ),
    ],
)
def test_weights_that_are_not_there_say_how_to_get_them(
    cache: Path, name: str, reference: str, lacks: str, size_mb: int
) -> None:
    with pytest.raises(CheckpointError) as error:
        load_encoder(name, CPU)
    folder = cache / "weights" / reference.replace("/", "--")
    assert str(error.value) == (
        f"the weights {reference} lack {lacks} (about {size_mb} MB); "
        f"get them with `seldfuse checkpoints fetch {reference}`: {folder}"
    )
    assert error.value.exit_code == 5
    assert not cache.exists()


def test_a_hubs_name_is_looked_up_in_the_cache(models: Path, cache: Path) -> None:
    shutil.copytree(models / "owlvit", find_weights_folder("google/owlvit-base-patch32"))
    assert find_weights_folder("google/owlvit-base-patch32").is_relative_to(cache)
    kept, named = load_encoder("owlvit", CPU).model, load_encoder(f"owlvit@{models / 'owlvit'}", CPU).model
    assert kept.version == named.version
    assert torch.equal(kept.encode(pictures(kept)), named.encode(pictures(kept)))


def test_other_references_that_lead_nowhere_say_what_was_expected(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "notes.txt").touch()
    assert missing(str(tmp_path / "half"), "owlvit") == (
        "the folder of weights lacks config.json and model.safetensors, it has notes.txt: " + str(tmp_path / "half")
    )
    assert missing("not here") == (
        "there are no weights 'not here': expected a folder, a file, or a hub's name such as microsoft/resnet-50; "
        "`seldfuse checkpoints` lists more"
    )
    assert missing("acme/resnet").startswith(
        "the weights acme/resnet lack model.safetensors; get them with `seldfuse checkpoints fetch acme/resnet`: "
    )


def test_weights_of_another_network_are_refused(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "resnet", tmp_path / "of_another")
    safetensors.torch.save_file({"resnet.elsewhere": torch.zeros(1)}, tmp_path / "of_another" / "model.safetensors")
    assert "the weights lack " in missing(str(tmp_path / "of_another"))
    shutil.copytree(models / "resnet", tmp_path / "other_size")
    config = tmp_path / "other_size" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "embedding_size": 8}))
    assert "the weights do not fit the network of config.json (size mismatch for " in missing(str(config.parent))


def test_damaged_weights_and_settings_are_told(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "resnet", tmp_path / "short")
    weights = tmp_path / "short" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert missing(str(weights.parent)).startswith("the weights are damaged or cut short (")
    (tmp_path / "short" / "config.json").write_text("{")
    assert missing(str(weights.parent)).startswith("the settings of the weights cannot be read (")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def test_a_pickle_of_more_than_tensors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": torch.zeros(1), "trap": Trap()}, tmp_path / "resnet50.pth")
    text = missing(str(tmp_path / "resnet50.pth"))
    assert text.startswith("the weights hold more than tensors, which could run any code; only tensors are read: ")
    assert not (tmp_path / "sprung").exists()


def test_only_the_tensors_that_are_asked_for_are_read(models: Path) -> None:
    found = find_weights(str(models / "owlvit")).read_tensors(("owlvit.vision_model.",))
    assert found
    assert all(name.startswith("owlvit.vision_model.") for name in found)


# The catalogue


def test_the_compact_encoders_take_no_weights() -> None:
    assert load_encoder("compact-image", CPU).name == "compact-image"
    with pytest.raises(UsageError, match="compact-image comes with its weights; leave @mine out"):
        load_encoder("compact-image@mine", CPU)
    with pytest.raises(UsageError, match="compact-audio comes with its weights; leave @mine out"):
        load_encoder("compact-audio@mine", CPU)


def test_without_transformers_the_message_is_what_to_type(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r'install it with `pip install "seldfuse\[encoders\]"`') as error:
        load_encoder(f"resnet50@{models / 'resnet'}", CPU)
    assert error.value.exit_code == 2


BROKEN_TORCHVISION = """
raise RuntimeError("operator torchvision::nms does not exist")
"""


def test_the_catalogue_imports_late_and_passes_a_broken_torchvision_over(models: Path, tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(BROKEN_TORCHVISION)
    lines = [
        "import sys, torch",
        f"sys.path.insert(0, {str(tmp_path)!r})",
        "from seldfuse.encoders.load import load_encoder",
        "print('transformers' in sys.modules)",
        f"print(load_encoder('resnet50@' + {str(models / 'resnet')!r}, torch.device('cpu')).name)",
    ]
    done = subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\nresnet50\n", "")


def test_nothing_asks_the_network(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("an encoder asked the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    for name, folder in EYES:
        load_encoder(f"{name}@{models / folder}", CPU)
    load_encoder(f"clap@{models / 'clap'}", CPU)


def test_the_python_of_the_page_about_encoders_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "encoders.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile(code, page.name, "exec"), {})
    assert capsys.readouterr().out == "torch.Size([1, 14, 64])\n"
