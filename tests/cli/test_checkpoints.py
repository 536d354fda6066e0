"""`seldfuse checkpoints` and its fetching, from a hub on this machine."""

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from challenge_twin import make_twin, save

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.values import PublishedWeights
from seldfuse.checkpoint import open_checkpoint
from seldfuse.cli import main
from seldfuse.errors import CheckpointError
from seldfuse.storage.digest import hash_git_blob
from seldfuse.weights.find import find_published, find_weights, list_published
from seldfuse.weights.http import download_address

REFERENCE = "acme/tiny"
FILES = ("config.json", "preprocessor_config.json", "model.safetensors")


class Hub(SimpleHTTPRequestHandler):
    """Files of a folder, of which some are cut short; asked paths are kept. An ordinary server, as a mirror may be."""

    asked: list[str]
    short: set[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        whole = source.read()
        outputfile.write(whole[: len(whole) // 2] if Path(self.path).name in self.short else whole)


COMMIT = "0123456789" * 4


class RealHub(Hub):
    """A hub as it is: it names the commit and the content of a file, and sends the rest of one that broke off."""

    ranges: list[str]
    tokens: list[str | None]

    def end_headers(self) -> None:
        file = Path(self.translate_path(self.path))
        if file.is_file():
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"')
        super().end_headers()

    def do_HEAD(self) -> None:
        self.tokens.append(self.headers.get("Authorization"))
        super().do_HEAD()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        if wanted is None:
            super().do_GET()
            return
        self.ranges.append(wanted)
        rest = Path(self.translate_path(self.path)).read_bytes()[int(wanted.removeprefix("bytes=").split("-")[0]) :]
        self.send_response(206)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A mirror that has one small model; its address stands in SELDFUSE_HUB."""
    yield from serve(Hub, tmp_path, monkeypatch)


@pytest.fixture
def real_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A hub that has the same model."""
    yield from serve(RealHub, tmp_path, monkeypatch)


def serve(kind: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    folder = tmp_path / "hub" / REFERENCE / "resolve" / "main"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "preprocessor_config.json").write_text("{}")
    safetensors.torch.save_file({"weight": torch.ones(1000)}, folder / "model.safetensors")
    handler = type("ThisHub", (kind,), {"asked": [], "short": set(), "ranges": [], "tokens": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "hub")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("SELDFUSE_HUB", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["checkpoints", *arguments])
    assert isinstance(stop.value.code, int)
    return stop.value.code


def source(tmp_path: Path) -> Path:
    return tmp_path / "hub" / REFERENCE / "resolve" / "main"


def target(cache: Path) -> Path:
    return cache / "weights" / "acme--tiny"


def list_visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# The list


def test_the_list_says_what_ships_and_what_can_be_fetched(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    assert run("--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["checkpoints"]}
    assert rows["doa-medium"]["state"] == "bundled"
    assert rows["doa-medium"]["for"] == ["doa"]
    assert 1 < rows["doa-medium"]["size_mb"] < 100
    assert rows["compact-encoders"]["for"] == ["encoders"]
    assert rows["movenet"]["for"] == rows["yolox"]["for"] == ["detectors"]
    assert rows["microsoft/resnet-50"] == {
        "name": "microsoft/resnet-50",
        "for": ["resnet50", "resnet50-map"],
        "licence": "Apache-2.0",
        "size_mb": 103,
        "state": "not fetched",
        "folder": str(cache / "weights" / "microsoft--resnet-50"),
    }
    assert {known.reference for known in list_published()} < set(rows)


def test_the_table_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["name", "for", "licence", "MB", "state"]
    assert ["google/owlvit-base-patch32", "owlvit", "Apache-2.0", "about", "613", "not", "fetched"] in lines


def test_the_list_knows_what_was_put_there(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    folder = cache / "weights" / "microsoft--resnet-50"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(b"x" * 500_000)
    assert run("--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["checkpoints"]}
    assert (rows["microsoft/resnet-50"]["state"], rows["microsoft/resnet-50"]["size_mb"]) == ("fetched", 1.5)


# Fetching


def test_fetching_puts_every_file_where_it_is_looked_for(
    hub: type[Hub], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", REFERENCE) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{hashlib.sha256((source(tmp_path) / name).read_bytes()).hexdigest()}  {target(cache) / name}"
        for name in FILES
    ]
    assert "note: fetching model.safetensors, 0.0 MB\n" in err
    assert list_visible(target(cache)) == sorted(FILES)
    found = find_weights(REFERENCE, FILES[:2])
    assert found.read_tensors()["weight"].sum() == 1000
    assert found.hash_version() == out.splitlines()[2][:16]


def test_a_network_that_reads_words_brings_its_vocabulary_where_it_has_one(
    hub: type[Hub], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source(tmp_path) / "config.json").write_text('{"text_config": {}}')
    assert run("fetch", REFERENCE) == 0
    assert not (target(cache) / "vocab.txt").exists()
    (source(tmp_path) / "vocab.txt").write_text("[PAD]\n")
    assert run("fetch", REFERENCE) == 0
    assert (target(cache) / "vocab.txt").read_text() == "[PAD]\n"
    assert len(capsys.readouterr().out.splitlines()) == 3 + 4


def test_known_weights_of_another_layout_are_fetched_by_it(
    hub: type[Hub], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "hub" / "ShilongLiu" / "GroundingDINO" / "resolve" / "main"
    folder.mkdir(parents=True)
    assert run("fetch", "ShilongLiu/GroundingDINO") == 5
    assert "; try again, or put groundingdino_swint_ogc.pth of " in capsys.readouterr().err
    (folder / "groundingdino_swint_ogc.pth").write_bytes(b"weights")
    assert run("fetch", "ShilongLiu/GroundingDINO") == 0
    kept = cache / "weights" / "ShilongLiu--GroundingDINO" / "groundingdino_swint_ogc.pth"
    assert capsys.readouterr().out == f"{hashlib.sha256(b'weights').hexdigest()}  {kept}\n"
    assert hub.asked == ["/ShilongLiu/GroundingDINO/resolve/main/groundingdino_swint_ogc.pth"]
    assert run("--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["checkpoints"]}
    assert rows["ShilongLiu/GroundingDINO"]["state"] == "fetched"
    assert rows["google-bert/bert-base-uncased"]["state"] == "not fetched"


def test_what_is_there_is_not_fetched_again(hub: type[Hub], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", REFERENCE) == 0
    first = capsys.readouterr().out
    hub.asked.clear()
    assert run("fetch", REFERENCE) == 0
    assert (hub.asked, capsys.readouterr().out) == ([], first)


def test_a_fetch_that_broke_off_goes_on_with_the_file_it_stopped_at(
    hub: type[Hub], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.short.add("model.safetensors")
    assert run("fetch", REFERENCE) == 5
    size = (source(tmp_path) / "model.safetensors").stat().st_size
    assert f"(it ended after {size // 2} of {size} bytes); try again, or put " in capsys.readouterr().err
    assert list_visible(target(cache)) == sorted(FILES[:2])
    hub.short.clear()
    hub.asked.clear()
    assert run("fetch", REFERENCE) == 0
    assert hub.asked == [f"/{REFERENCE}/resolve/main/model.safetensors"]


def test_an_address_that_broke_off_sends_the_rest(real_hub: Any, tmp_path: Path) -> None:
    folder, whole = tmp_path / "kept", source(tmp_path) / "model.safetensors"
    size = whole.stat().st_size
    real_hub.short.add("model.safetensors")
    with pytest.raises(CheckpointError, match=f"it ended after {size // 2} of {size} bytes"):
        download_address(address("model.safetensors"), folder / "it", lambda *_: None)
    real_hub.short.clear()
    told: list[tuple[str, int, int | None]] = []
    download_address(address("model.safetensors"), folder / "it", lambda *one: told.append(one))
    assert (folder / "it").read_bytes() == whole.read_bytes()
    assert real_hub.ranges == [f"bytes={size // 2}-"]
    assert (told[0], told[-1]) == (("it", size // 2, size), ("it", size, size))
    assert list_visible(folder) == ["it"]


def test_a_hub_goes_on_where_the_connection_broke(
    real_hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)
    real_hub.short.add("model.safetensors")
    assert run("fetch", REFERENCE) == 0
    half = (source(tmp_path) / "model.safetensors").stat().st_size // 2
    assert real_hub.ranges == [f"bytes={half // 500 * 500}-"]
    assert find_weights(REFERENCE).read_tensors()["weight"].sum() == 1000
    assert "note: fetching model.safetensors, 0.0 MB\n" in capsys.readouterr().err


def test_a_revision_replaces_what_is_there(
    real_hub: Any, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", REFERENCE) == 0
    other = source(tmp_path).with_name("v2")
    other.mkdir()
    for name in FILES[:2]:
        (other / name).write_text('{"of": 2}')
    safetensors.torch.save_file({"weight": torch.zeros(5)}, other / "model.safetensors")
    assert run("fetch", REFERENCE, "--revision", "v2") == 0
    assert (target(cache) / "config.json").read_text() == '{"of": 2}'
    assert find_weights(REFERENCE).read_tensors()["weight"].shape == (5,)
    capsys.readouterr()
    assert run("fetch", REFERENCE, "--as", "baseline", "--revision", "v2") == 2
    assert capsys.readouterr().err.startswith("error: --revision is for names on the hub")


def test_a_mirror_gets_no_token_of_the_hub(
    real_hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert run("fetch", REFERENCE) == 0
    assert set(real_hub.tokens) == {None}


def test_a_library_that_was_told_to_stay_offline_does(
    real_hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert run("fetch", REFERENCE) == 5
    assert "HF_HUB_OFFLINE" in capsys.readouterr().err
    assert real_hub.tokens == []


def test_a_hub_without_safetensors_is_asked_for_the_older_file(hub: type[Hub], tmp_path: Path, cache: Path) -> None:
    (source(tmp_path) / "model.safetensors").unlink()
    torch.save({"weight": torch.ones(3)}, source(tmp_path) / "pytorch_model.bin")
    assert run("fetch", REFERENCE) == 0
    assert find_weights(REFERENCE).file == target(cache) / "pytorch_model.bin"


def test_a_file_that_the_hub_does_not_have_is_told_with_what_to_do_by_hand(
    hub: type[Hub], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source(tmp_path) / "model.safetensors").unlink()
    assert run("fetch", REFERENCE) == 5
    address = os.environ["SELDFUSE_HUB"].rstrip("/")
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {address}/acme/tiny/resolve/main/model.safetensors cannot be fetched (404 File not found); try again, "
        "or put config.json, preprocessor_config.json and model.safetensors of "
        f"{address}/acme/tiny/tree/main by hand into {target(cache)}"
    )


def test_a_page_in_place_of_a_file_is_recognised(
    hub: type[Hub], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source(tmp_path) / "model.safetensors").write_text("<html>Please log in to this network</html>")
    assert run("fetch", REFERENCE) == 5
    assert "what came as model.safetensors of acme/tiny from " in capsys.readouterr().err
    assert list_visible(target(cache)) == sorted(FILES[:2])


def test_no_network_is_exit_code_5_and_what_to_do_by_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Port 9 is that of the discard service, which nobody runs.
    monkeypatch.setenv("SELDFUSE_HUB", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert run("fetch", "microsoft/resnet-50") == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: http://127.0.0.1:9/microsoft/resnet-50/resolve/main/config.json cannot be fetched (")
    assert err.endswith(
        "; try again, or put config.json, preprocessor_config.json and model.safetensors of "
        f"http://127.0.0.1:9/microsoft/resnet-50/tree/main by hand into {cache}/weights/microsoft--resnet-50\n"
    )


@pytest.mark.parametrize("reference", ["resnet-50", "../etc/passwd", "https://acme.org/tiny", "/tmp", "a/b/c", "../x"])
def test_what_is_no_hubs_name_is_refused(reference: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", reference) == 2
    assert capsys.readouterr().err == (
        "error: expected a hub's name such as microsoft/resnet-50; `seldfuse checkpoints` lists more; "
        f"got {reference!r}\n"
    )
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_told(
    hub: type[Hub], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.write_text("a file where the folder should be")
    assert run("fetch", REFERENCE) == 2
    assert capsys.readouterr().err == (
        "error: the cache cannot be written (Not a directory); "
        f"name another folder in SELDFUSE_CACHE: {target(cache)}\n"
    )


# Weights of others


def address(name: str) -> str:
    return f"{os.environ['SELDFUSE_HUB']}{REFERENCE}/resolve/main/{name}"


def put_best_model(tmp_path: Path) -> Path:
    """What the challenge's training saves, on the hub's machine."""
    return save(make_twin(filters=8, width=16, heads=8, attentions=1), source(tmp_path) / "best_model.pth")


def test_an_address_becomes_a_checkpoint(
    hub: type[Hub], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = put_best_model(tmp_path), tmp_path / "new"
    for _ in range(2):
        assert run("fetch", address("best_model.pth"), "--as", "baseline", "-o", str(out)) == 0
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    fetched, told = capsys.readouterr().out.splitlines()[:2]
    assert fetched.startswith(f"{digest}  {cache / 'weights' / 'addresses'}")
    assert told == f"{out}: `seldfuse run talk.mp4 --backends baseline@{out}`"
    assert open_checkpoint(str(out), "baseline").config["imported"]["sha256"] == digest
    # What an address sends may have become another.
    assert hub.asked.count(f"/{REFERENCE}/resolve/main/best_model.pth") == 2


def test_a_file_that_is_there_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hub" / REFERENCE / "resolve" / "main").mkdir(parents=True)
    file = put_best_model(tmp_path)
    monkeypatch.setattr("urllib.request.urlopen", None)
    assert run("fetch", str(file), "--as", "baseline", "-o", str(tmp_path / "new")) == 0
    assert open_checkpoint(str(tmp_path / "new"), "baseline").config["imported"]["file"] == "best_model.pth"


def test_a_published_file_is_fetched_once_and_known_by_its_content(
    hub: type[Hub], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, kept = put_best_model(tmp_path), cache / "weights" / "partha2409--DCASE2025_seld_baseline" / "best_model.pth"
    (stated,) = load_registry().backends["baseline"].value.published
    stated = dataclasses.replace(stated, address=address("best_model.pth"))
    monkeypatch.setattr("seldfuse.weights.http.find_published", lambda _: stated)
    arguments = ("fetch", stated.reference, "--as", "baseline", "-o", str(tmp_path / "new"))
    assert run(*arguments) == 5
    assert "what came is not the file that was published, which git names 9246d268" in capsys.readouterr().err
    assert not kept.exists()
    stated = dataclasses.replace(stated, git_blob=hash_git_blob(file))
    assert run(*arguments) == run(*arguments) == 0
    assert kept.read_bytes() == file.read_bytes()
    assert len(hub.asked) == 2


def test_the_challenges_model_is_listed_with_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    stated = find_published("partha2409/DCASE2025_seld_baseline")
    assert isinstance(stated, PublishedWeights)
    assert (stated.users, stated.license, stated.settings) == (("baseline",), "MIT", ())
    assert str(stated.address).startswith("https://raw.githubusercontent.com/partha2409/DCASE2025_seld_baseline/")
    assert run() == 0
    assert "partha2409/DCASE2025_seld_baseline" in capsys.readouterr().out


def test_git_names_a_file_by_length_and_content(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert hash_git_blob(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("nowhere.pth", "--as", "baseline"),
            2,
            "expected a file, an address that begins with https://, or one of part",
        ),
        (
            ("ftp://a/b.pth", "--as", "baseline"),
            2,
            "expected an address that begins with https://, got 'ftp://a/b.pth'",
        ),
        (("a.pth", "--as", "doa"), 2, "the backend doa imports no weights of others; those that do: baseline"),
        (("a.pth", "--as", "nobody"), 3, "nobody"),
        (("acme/tiny", "-o", "new"), 2, "-o is for the checkpoint that --as makes"),
    ],
)
def test_what_cannot_be_imported_is_refused(
    arguments: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", *arguments) == code
    assert message in capsys.readouterr().err


def test_an_address_without_weights_is_refused(
    hub: type[Hub], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "new")
    assert run("fetch", address("nothing.pth"), "--as", "baseline", "-o", out) == 5
    assert "cannot be fetched (404" in capsys.readouterr().err
    assert run("fetch", address("config.json"), "--as", "baseline", "-o", out) == 5
    assert "damaged" in capsys.readouterr().err
