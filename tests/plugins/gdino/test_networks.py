"""Grounding DINO by both packages: tiny random networks in files like the published, by the code of the real ones."""

import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from detected_run import check_detected_run
from torch import Tensor, nn

import seldfuse_gdino.groundingdino
from seldfuse.compat.torchvision import load_torchvision
from seldfuse.compat.transformers import import_transformers
from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.labels import DCASE2025
from seldfuse.core.rules import Rules
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.weights.find import find_weights_folder
from seldfuse_gdino.detector import RULES, load
from seldfuse_gdino.grounding import GroundingPrompt, ImagePreparation, gather_boxes
from seldfuse_gdino.groundingdino import TextEncoder
from seldfuse_gdino.vocabulary import Vocabulary

CPU = torch.device("cpu")
SHIPPED = Vocabulary(Rules.read(RULES, DCASE2025))
CLIP = Clip("clip", ArrayAudio(np.zeros((2, 24_000), dtype=np.float32)))

SPECIAL = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
"""Where BERT's vocabulary has them; transformers knows the places by heart."""

WORDS = sorted({word for prompt in SHIPPED.prompts for word in prompt.split()})
TOKENS = [SPECIAL.get(place, f"[unused{place}]") for place in range(1030)] + WORDS

SIDES = {"shortest_edge": 64, "longest_edge": 112}
BACKBONE = {"embed_dim": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 3, 4], "window_size": 4, "image_size": 64}
TEXT = {"vocab_size": len(TOKENS), "hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 32}
DETECTOR = {
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_queries": 20,
    "d_model": 64,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
}


def frames(count: int = 3) -> list[Frame]:
    rng = np.random.default_rng(0)
    return [Frame(index / 2, rng.integers(0, 256, (36, 64, 3), dtype=np.uint8)) for index in range(count)]


def write_vocabulary(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")


def refused(engine: str) -> SeldfuseError:
    with pytest.raises(SeldfuseError) as error:
        load(engine, CPU, None)
    return error.value


@pytest.fixture
def easily_pleased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random networks are sure of nothing."""
    rules = tmp_path / "pleased.toml"
    text = RULES.read_text(encoding="utf-8").replace("_threshold = 0.25", "_threshold = 0.01")
    rules.write_text(text, encoding="utf-8")
    monkeypatch.setattr("seldfuse_gdino.detector.RULES", rules)


# Questions and answers


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("transformers", reason="the tokenizer is transformers'")
    folder = tmp_path_factory.mktemp("words")
    write_vocabulary(folder)
    return import_transformers().BertTokenizer(vocab=str(folder / "vocab.txt"))


def test_all_prompts_are_one_text_whose_tokens_have_owners(tokenizer: Any) -> None:
    question = GroundingPrompt.from_phrases(("cell phone", "door"), tokenizer)
    assert question.text == "cell phone . door ."
    assert question.ids.tolist() == tokenizer(question.text)["input_ids"]
    assert question.owners.int().tolist() == [[0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0]]


def test_shipped_prompts_are_one_question(tokenizer: Any) -> None:
    question = GroundingPrompt.from_phrases(SHIPPED.prompts, tokenizer)
    assert question.owners.any(dim=1).all()
    assert question.ids.tolist() == tokenizer(question.text)["input_ids"]


def test_too_many_prompts_are_refused(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="the prompts of all classes are 302 tokens, at most 256 are understood"):
        GroundingPrompt.from_phrases(("cell phone",) * 100, tokenizer)


def by_hand(logits: Tensor, owners: Tensor) -> list[tuple[int, int, float, int]]:
    """Picture, query, score and prompt, one box at a time."""
    found = []
    for picture, queries in enumerate(logits.sigmoid().tolist()):
        for query, likely in enumerate(queries):
            tokens = [[likely[token] for token in owned.nonzero()[:, 0].tolist()] for owned in owners]
            if max(map(max, tokens)) > 0.25:
                means = [sum(some) / len(some) if max(some) > 0.25 else 0.0 for some in tokens]
                found.append((picture, query, max(map(max, tokens)), means.index(max(means))))
    return found


def test_boxes_get_the_prompt_whose_tokens_were_said() -> None:
    generator = torch.Generator().manual_seed(0)
    owners = torch.tensor([[0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1, 0]]) > 0
    logits = torch.full((2, 40, 256), -torch.inf)
    logits[..., :7] = torch.randn((2, 40, 7), generator=generator) - 2
    places = torch.rand((2, 40, 4), generator=generator)
    found, wanted = gather_boxes(logits, places, owners, 0.25, 0.25), by_hand(logits, owners)
    assert 10 < len(wanted) < 70
    assert found.pictures.tolist() == [picture for picture, *_ in wanted]
    assert found.phrases.tolist() == [prompt for *_, prompt in wanted]
    torch.testing.assert_close(found.scores, torch.tensor([score for _, _, score, _ in wanted]))
    middles = torch.stack([places[picture, query] for picture, query, *_ in wanted])
    torch.testing.assert_close(found.ltrb_px[:, 0], middles[:, 0] - middles[:, 2] / 2)
    torch.testing.assert_close(found.ltrb_px[:, 3], middles[:, 1] + middles[:, 3] / 2)


@pytest.mark.parametrize(
    ("cell", "phone", "alone", "meant"),
    [(0.6, 0.7, 0.5, 0), (0.1, 0.6, 0.5, 1), (0.5, 0.1, 0.1, 0), (0.3, 0.3, 0.9, 1)],
)
def test_merged_and_partial_phrases_find_their_prompt(cell: float, phone: float, alone: float, meant: int) -> None:
    owners = torch.tensor([[True, True, False], [False, False, True]])
    found = gather_boxes(torch.tensor([[[cell, phone, alone]]]).logit(), torch.full((1, 1, 4), 0.5), owners, 0.25, 0.25)
    assert found.phrases.tolist() == [meant]


def test_both_thresholds_are_the_rules() -> None:
    owners, places = torch.tensor([[True, True, False], [False, False, True]]), torch.full((1, 1, 4), 0.5)
    logits = torch.tensor([[[0.5, 0.4, 0.6]]]).logit()
    assert len(gather_boxes(logits, places, owners, 0.61, 0.25).scores) == 0
    assert gather_boxes(logits, places, owners, 0.55, 0.25).phrases.tolist() == [1]
    assert len(gather_boxes(logits, places, owners, 0.55, 0.65).scores) == 0


def test_pictures_grow_until_a_side_reaches_its_limit() -> None:
    assert ImagePreparation().size_px(360, 640) == (750, 1333)
    assert ImagePreparation().size_px(480, 640) == (800, 1067)
    assert ImagePreparation().size_px(1080, 1920) == (750, 1333)


def test_prepared_pictures_keep_their_sides_and_colours() -> None:
    rgb = np.zeros((36, 64, 3), dtype=np.uint8)
    rgb[:, :32, 0] = 255
    front = ImagePreparation(36, 64, mean=(0.5, 0.0, 0.0), deviation=(0.25, 1.0, 1.0))
    shown = front.prepare([Frame(0.0, rgb)], CPU)[0]
    assert shown[0, 0].tolist() == [2.0] * 32 + [-2.0] * 32
    assert (shown[1:] == 0).all()


# transformers


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Detectors as the hub has them."""
    pytest.importorskip("transformers", reason="the engine hf needs transformers")
    library, root = import_transformers(), tmp_path_factory.mktemp("hub")
    swin = library.SwinConfig(**BACKBONE, out_features=["stage2", "stage3", "stage4"])
    text = library.BertConfig(**TEXT, num_attention_heads=1)
    library.utils.logging.disable_progress_bar()
    for name, kind in {"plain": "GroundingDino", "mm": "MMGroundingDino"}.items():
        torch.manual_seed(0)
        config = getattr(library, f"{kind}Config")(backbone_config=swin, text_config=text, **DETECTOR)
        getattr(library, f"{kind}ForObjectDetection")(config).save_pretrained(root / name)
        write_vocabulary(root / name)
        (root / name / "preprocessor_config.json").write_text(json.dumps({"size": SIDES}))
    library.utils.logging.enable_progress_bar()
    return {"plain": root / "plain", "mm": root / "mm"}


@pytest.mark.parametrize("kind", ["plain", "mm"])
@pytest.mark.usefixtures("easily_pleased")
def test_a_detector_finds_things_by_name(
    folders: dict[str, Path], kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    looks = load(f"hf:{folders[kind]}", CPU, None)
    assert looks.engine_id.startswith(f"hf:{kind} ")
    found = looks.detect(CLIP, frames(), None)
    assert found.table["time_s"].unique().tolist() == [0.0, 0.5, 1.0]
    assert set(found.table["phrase"]) <= set(SHIPPED.phrases)
    assert found.table["score"].between(0.01, 1).all()
    alone = [looks.detect(CLIP, [frame], None).table for frame in frames()]
    assert [len(table) for table in alone] == found.table.groupby("time_s").size().tolist()
    again = load(f"hf:{folders[kind]}", CPU, None)
    assert again.engine_id == looks.engine_id
    assert again.detect(CLIP, frames(), None).table.equals(found.table)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["plain", "mm"])
def test_the_network_is_the_library_s(folders: dict[str, Path], tokenizer: Any, kind: str) -> None:
    engine = load(f"hf:{folders[kind]}", CPU, None).engine
    library = import_transformers()
    pictures = library.GroundingDinoImageProcessorPil(size=SIDES)
    processor = library.GroundingDinoProcessor(pictures, tokenizer)
    prompts = [list(SHIPPED.prompts)] * 3
    prepared = processor(images=[frame.rgb for frame in frames()], text=prompts, return_tensors="pt")
    torch.testing.assert_close(engine.front.prepare(frames(), CPU), prepared["pixel_values"], atol=0.04, rtol=0)
    assert engine.question.ids.expand(3, -1).tolist() == prepared["input_ids"].tolist()
    name = {"plain": "GroundingDino", "mm": "MMGroundingDino"}[kind]
    whole = getattr(library, f"{name}ForObjectDetection").from_pretrained(folders[kind], local_files_only=True).eval()
    with torch.inference_mode():
        wanted = whole(**prepared)
        logits, boxes = engine.answer(prepared["pixel_values"])
    torch.testing.assert_close(logits, wanted.logits)
    torch.testing.assert_close(boxes, wanted.pred_boxes)
    assert boxes.std(dim=0).mean() > 1e-6


def test_fetched_weights_are_found_by_themselves(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path))
    shutil.copytree(folders["plain"], find_weights_folder("IDEA-Research/grounding-dino-base"))
    assert load(None, CPU, None).engine_id.startswith("hf:IDEA-Research--grounding-dino-base ")
    named = load("hf:IDEA-Research/grounding-dino-base", CPU, None)
    assert named.engine_id == load(None, CPU, None).engine_id


def changed(folders: dict[str, Path], tmp_path: Path, change: Callable[[Path], object]) -> str:
    folder = tmp_path / "changed"
    shutil.copytree(folders["plain"], folder)
    change(folder)
    error = refused(f"hf:{folder}")
    assert error.exit_code == 5
    return str(error)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def with_trap(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.zeros(1), "trap": Trap()}, folder / "pytorch_model.bin")


def without_one(folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    del tensors["model.text_projection.weight"]
    safetensors.torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def cut_short(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5_000])


def with_config(**values: Any) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return write


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_trap, "the weights hold more than tensors, which could run any code; only tensors are read: "),
        (
            without_one,
            "the weights lack 1 tensors of the network of config.json, or have them in other sizes, such as ",
        ),
        (cut_short, "the weights are damaged or cut short ("),
        (with_config(d_model=32), "of the network of config.json, or have them in other sizes, such as "),
        (with_config(model_type="bert"), "expected weights of grounding-dino or mm-grounding-dino, got bert: "),
        (lambda folder: (folder / "vocab.txt").unlink(), "the folder of weights lacks vocab.txt, it has "),
    ],
)
def test_what_is_wrong_with_weights_is_told(
    folders: dict[str, Path],
    tmp_path: Path,
    change: Callable[[Path], object],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in changed(folders, tmp_path, change)
    assert not (tmp_path / "sprung").exists()
    assert capfd.readouterr() == ("", "")


def test_a_file_by_itself_is_no_detector(folders: dict[str, Path]) -> None:
    file = folders["plain"] / "model.safetensors"
    assert str(refused(f"hf:{file}")) == (
        f"expected a folder with config.json, vocab.txt and weights, got a file: {file}"
    )


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the detector asked the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.mark.usefixtures("offline")
def test_nothing_asks_the_network(folders: dict[str, Path]) -> None:
    load(f"hf:{folders['plain']}", CPU, None).detect(CLIP, frames(1), None)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.usefixtures("easily_pleased")
def test_on_a_gpu_half_precision_finds_about_the_same(folders: dict[str, Path]) -> None:
    found = [
        load(f"hf:{folders['mm']}", torch.device(name), None).detect(CLIP, frames(1), None) for name in ("cpu", "cuda")
    ]
    best = [table.table.sort_values("score", ascending=False)["score"].to_numpy()[:5] for table in found]
    np.testing.assert_allclose(best[0], best[1], atol=0.05)


# groundingdino-py


class OldBert(nn.Module):
    """The names that the package gives to the parts of BERT."""

    def __init__(self, bert_model: Any) -> None:
        super().__init__()
        self.config = bert_model.config
        self.embeddings, self.encoder, self.pooler = bert_model.embeddings, bert_model.encoder, bert_model.pooler


@pytest.fixture(scope="module")
def authors(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A folder with weights as the authors publish them, of a small network, and its vocabulary."""
    pytest.importorskip("groundingdino", reason="the engine groundingdino needs groundingdino-py")
    load_torchvision()
    folder, library = tmp_path_factory.mktemp("authors"), import_transformers()
    with warnings.catch_warnings():
        # The package is older than what it stands on.
        warnings.simplefilter("ignore")
        import groundingdino.config.GroundingDINO_SwinT_OGC as published
        import groundingdino.models.GroundingDINO.groundingdino as package

        small = {"enc_layers": 1, "dec_layers": 2, "num_queries": 30, "dim_feedforward": 32}
        torch.manual_seed(0)
        bert = library.BertModel(library.BertConfig(**TEXT, num_attention_heads=1))
        words = SimpleNamespace(get_tokenlizer=lambda _: tokenizer, get_pretrained_language_model=lambda _: bert)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(package, "get_tokenlizer", words)
            patch.setattr(package, "BertModelWarper", OldBert)
            network = package.build_groundingdino(SimpleNamespace(**{**vars(published), **small}))
    tensors = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"model": tensors, "epoch": 12}, folder / "tiny.pth")
    write_vocabulary(folder)
    return folder


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seldfuse_gdino.groundingdino, "ImagePreparation", lambda: ImagePreparation(64, 112))


@pytest.mark.usefixtures("easily_pleased", "small_pictures", "offline")
def test_the_authors_detector_finds_things_by_name(authors: Path, capfd: pytest.CaptureFixture[str]) -> None:
    looks = load(f"groundingdino:{authors}", CPU, None)
    assert looks.engine_id.startswith("groundingdino:tiny ")
    found = looks.detect(CLIP, frames(), None)
    assert found.table["time_s"].unique().tolist() == [0.0, 0.5, 1.0]
    assert set(found.table["phrase"]) <= set(SHIPPED.phrases)
    again = load(f"groundingdino:{authors / 'tiny.pth'}", CPU, None)
    assert again.detect(CLIP, frames(), None).table.equals(found.table)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("easily_pleased", "small_pictures", "offline")
def test_a_run_is_corrected_and_remembers(authors: Path, tmp_path: Path, capsys: Any) -> None:
    check_detected_run(tmp_path, f"gdino@groundingdino:{authors}", "groundingdino:tiny ", capsys)


def test_the_network_is_the_authors(authors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import PIL.Image
    from groundingdino.util import inference

    module, built = seldfuse_gdino.groundingdino, []
    build = module._network
    monkeypatch.setattr(module, "_network", lambda *asked: built.append(build(*asked)) or built[0])
    engine = load(f"groundingdino:{authors}", CPU, None).engine
    rng = np.random.default_rng(0)
    smooth = PIL.Image.fromarray(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)).resize((160, 90))
    smooth.save(tmp_path / "picture.png")
    rgb, prepared = inference.load_image(str(tmp_path / "picture.png"))
    ours = engine.front.prepare([Frame(0.0, rgb)], CPU)
    torch.testing.assert_close(ours[0], prepared, atol=0.04, rtol=0)
    small = nn.functional.interpolate(prepared[None], (64, 112))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        boxes, scores, phrases = inference.predict(built[0], small[0], engine.question.text, 0.0, 0.3, "cpu")
    with torch.inference_mode():
        logits, places = engine.answer(small)
    torch.testing.assert_close(places[0], boxes)
    torch.testing.assert_close(logits[0].sigmoid().amax(dim=1), scores)
    assert len(phrases) == 30


def test_phrases_do_not_see_each_other(tokenizer: Any) -> None:
    library = import_transformers()
    torch.manual_seed(0)
    bert = library.BertModel(library.BertConfig(**TEXT, num_attention_heads=1)).eval()
    encoder = TextEncoder(bert).eval()
    ids = torch.tensor([tokenizer("cell phone . door .")["input_ids"]])
    apart = torch.eye(7, dtype=torch.bool)
    apart[1:4, 1:4] = apart[4:6, 4:6] = True
    places = torch.tensor([[0, 0, 1, 2, 0, 1, 0]])
    with torch.inference_mode():
        found = encoder(ids, torch.zeros_like(ids), apart[None], places)["last_hidden_state"]
        alone = bert(ids[:, 4:6], torch.ones(1, 2), torch.zeros(1, 2).long(), places[:, 4:6])
    torch.testing.assert_close(found[:, 4:6], alone.last_hidden_state)


def test_a_vocabulary_that_is_nowhere_says_how_to_get_it(
    authors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    assert "`seldfuse checkpoints fetch ShilongLiu/GroundingDINO`" in str(refused("groundingdino"))
    kept = find_weights_folder("ShilongLiu/GroundingDINO")
    kept.mkdir(parents=True)
    shutil.copy(authors / "tiny.pth", kept / "groundingdino_swint_ogc.pth")
    assert "`seldfuse checkpoints fetch google-bert/bert-base-uncased`" in str(refused("groundingdino"))
    find_weights_folder("google-bert/bert-base-uncased").mkdir(parents=True)
    shutil.copy(authors / "vocab.txt", find_weights_folder("google-bert/bert-base-uncased"))
    assert load("groundingdino", CPU, None).engine_id.startswith("groundingdino:groundingdino_swint_ogc ")


def test_what_is_wrong_with_the_authors_weights_is_told(
    authors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_vocabulary(tmp_path)
    file = tmp_path / "other.pth"
    torch.save({"model": {"weight": torch.zeros(1), "trap": Trap()}}, file)
    assert str(refused(f"groundingdino:{file}")).startswith("the weights hold more than tensors, which could run any ")
    assert not (tmp_path / "sprung").exists()
    torch.save({"model": {"conv1.weight": torch.zeros(1)}}, file)
    told = str(refused(f"groundingdino:{tmp_path}"))
    assert told.startswith("expected weights of Grounding DINO; these lack 'backbone.0.patch_embed.proj.weight': ")
    tensors = torch.load(authors / "tiny.pth", weights_only=True)["model"]
    torch.save({"model": {name: tensor for name, tensor in tensors.items() if "feat_map" not in name}}, file)
    assert "the weights lack 2 of the network's tensors, such as feat_map." in str(refused(f"groundingdino:{file}"))
    shutil.copy(file, tmp_path / "second.pth")
    assert str(refused(f"groundingdino:{tmp_path}")) == (
        f"expected a folder with one .pth of Grounding DINO, got other.pth, second.pth: {tmp_path}"
    )


def test_without_the_package_the_message_is_what_to_type() -> None:
    if importlib.util.find_spec("groundingdino") is not None:
        pytest.skip("groundingdino-py is installed")
    assert str(refused("groundingdino")).startswith("groundingdino needs groundingdino")
