"""Files that are damaged, hostile or of another kind: the right exit code, the file named, no traceback, soon."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds import THREE, call, noise, save_random

from seldfuse.media.encode import write_wav

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(save_random(tmp_path_factory.mktemp("checkpoint") / "doa", "doa", THREE))


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line in a folder with a recording; it must end with a code and a sentence."""
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "a.wav", noise(1.0))

    def refused(code: int, named: str, *arguments: str) -> str:
        assert call(*arguments) == code
        said = capsys.readouterr().err
        assert "error: " in said or code == 0
        assert named in said
        assert "Traceback" not in said
        assert len(said) < 4000
        return said

    return refused


SETTINGS = {
    "a number beyond single precision": "[decode]\nmax_gap_frames = 1e300\n",
    "a pause of ages": "[decode]\nmax_gap_frames = 99999999999999999999\n",
    "a large temperature": "[calibration.doa]\ntemperature = 1e308\n",
    "a small angle": "unify_angle_deg = 1e-300\n",
    "nested lists": f"a = {'[' * 20_000}{']' * 20_000}\n",
    "a long dotted key": ".".join("a" * 30_000) + " = 1\n",
    "a long dotted table": f"[{'.'.join('a' * 30_000)}]\n",
    "a long dotted key in a table": f"x = {{{'.'.join('a' * 30_000)} = 1}}\n",
    "a long name": "a" * 60_000 + " = 1\n",
    "no UTF-8": "\xff\xfe",
    "two MiB": "# " + "x" * 2**21,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_refused(refused, checkpoint: Path, name: str) -> None:
    Path("f.toml").write_bytes(SETTINGS[name].encode("latin-1"))
    refused(2, "f.toml", "run", "a.wav", "--backends", f"doa@{checkpoint}", "--device", "cpu", "--fusion", "f.toml")


CONFIGS: dict[str, Callable[[dict[str, Any]], None]] = {
    "no network": lambda c: c.update(network=None),
    "features that are a number": lambda c: c.update(features=7),
    "no features": lambda c: c.update(features=[]),
    "encoders that are a number": lambda c: c.update(encoders=5),
    "an encoder without a version": lambda c: c.update(encoders={"yamnet": 1}),
    "labels without names": lambda c: c.update(labels={"name": "x", "classes": [{"name": None, "title": None}]}),
    "nothing": lambda c: c.clear(),
    "a version that is a text": lambda c: c.update(version="x"),
    "a million blocks": lambda c: c["network"]["trunk"].update(blocks=10**6),
    "thousands of blocks": lambda c: c["network"]["trunk"].update(blocks=4000),
    "a large size": lambda c: c["network"]["trunk"].update(dim=10**9),
    "negative heads": lambda c: c["network"]["trunk"].update(heads=-1),
    "heads that are a text": lambda c: c["network"]["trunk"].update(heads="x"),
    "a trunk that is a number": lambda c: c["network"].update(trunk=3),
    "an unknown setting": lambda c: c["network"].update(nonsense=5),
    "an unknown setting of the trunk": lambda c: c["network"]["trunk"].update(nonsense=5),
    "a width of another kind": lambda c: c["network"]["trunk"].update(widths=[1e300]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_checkpoint_whose_settings_are_wrong_is_named(refused, checkpoint: Path, name: str) -> None:
    shutil.copytree(checkpoint, "ck")
    config = json.loads(Path("ck/config.json").read_text())
    CONFIGS[name](config)
    Path("ck/config.json").write_text(json.dumps(config))
    refused(5, "ck", "run", "a.wav", "--backends", "doa@ck", "--device", "cpu")


NAMES = [f"class {number}" for number in range(13)]
LABELS = {"name": "x", "classes": [{"name": name, "title": name} for name in NAMES]}
HEADER = {
    "format": "seldfuse-posterior",
    "version": "1",
    "labels": json.dumps(LABELS),
    "hop_s": "0.1",
    "provenance": "{}",
}
UNNAMED = json.dumps({"name": "x", "classes": [{"name": None, "title": None}] * 13})
HEADERS: dict[str, dict[str, str | None]] = {
    "a hop of nearly nothing": {"hop_s": "1e-300"},
    "a hop that is no number": {"hop_s": "nan"},
    "a hop of a day": {"hop_s": "86400"},
    "no hop": {"hop_s": None},
    "provenance that is a list": {"provenance": "[1]"},
    "provenance nested deeply": {"provenance": DEEP},
    "labels without names": {"labels": UNNAMED},
    "labels nested deeply": {"labels": DEEP},
    "no labels": {"labels": None},
    "a version that is a text": {"version": "x"},
}


def write_tensors(path: Path, header: dict[str, str | None], kind: str = "F32", value: float = 0.9) -> None:
    """Write a posterior of ten frames by hand."""
    data = struct.pack("<f", value) * 130 if kind == "F32" else bytes(130 * 8)
    told = {name: text for name, text in {**HEADER, **header}.items() if text is not None}
    about = {"dtype": kind, "shape": [1, 10, 13, 1], "data_offsets": [0, len(data)]}
    text = json.dumps({"__metadata__": told, "activity": about}).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("name", HEADERS)
def test_a_posterior_whose_header_is_wrong_is_named(refused, name: str) -> None:
    write_tensors(Path("p/a.safetensors"), HEADERS[name])
    refused(2, "a.safetensors", "fuse", "p", "-o", "o", "--formats", "json")


@pytest.mark.parametrize(("kind", "value"), [("I64", 0.0), ("F32", 90.0), ("F32", float("inf"))])
def test_a_posterior_whose_values_cannot_be_is_named(refused, kind: str, value: float) -> None:
    write_tensors(Path("p/a.safetensors"), {}, kind, value)
    refused(2, "a.safetensors", "fuse", "p", "-o", "o", "--formats", "json")


@pytest.mark.parametrize(
    "line",
    [
        '{"clip": [1]}',
        '{"clip": "a", "files": 7}',
        '{"clip": "a", "recipe": "x", "input": null}',
        '{"recipe": [1]}',
        '{"clip": "a", "recipe": "x", "input": {}, "files": ["../a.wav"]}',
        DEEP,
        "\\xff",
    ],
)
def test_a_line_of_another_kind_in_a_manifest_is_passed_over(refused, checkpoint: Path, line: str) -> None:
    Path("o").mkdir()
    Path("o/manifest.jsonl").write_text(line + "\n")
    options = ("--backends", f"doa@{checkpoint}", "--device", "cpu", "-o", "o", "--formats", "json")
    refused(0, "wrote", "run", "a.wav", *options)
    refused(0, "there already", "run", "a.wav", *options)


@pytest.mark.parametrize("name", ["l.ffconcat", "l.wav", "l.m3u8", "s.sdp", "d.mpd"])
def test_a_list_of_recordings_is_none(refused, checkpoint: Path, name: str) -> None:
    texts = {
        "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\na.wav\n#EXT-X-ENDLIST\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 10\n",
        "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period/></MPD>',
    }
    Path(name).write_text(texts.get(name.partition(".")[2], "ffconcat version 1.0\nfile a.wav\n"))
    refused(4, name, "run", name, "--backends", f"doa@{checkpoint}", "--device", "cpu", "-o", "o")


@pytest.mark.parametrize("peak", [3e38, -3e38, 1e25])
def test_an_impossible_level_is_the_fault_of_its_clip(refused, checkpoint: Path, peak: float) -> None:
    values = [0.1] * 2400 + [peak] + [0.1] * 21600
    data = b"".join(struct.pack("<ff", value, value) for value in values)
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 2, 24000, 192000, 8, 32) + b"data"
    Path("loud.wav").write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(data)) + head + struct.pack("<I", len(data)) + data
    )
    backend = f"doa@{checkpoint}"
    for order in (("loud.wav", "a.wav"), ("a.wav", "loud.wav")):
        shutil.rmtree("o", ignore_errors=True)
        said = refused(1, "loud", "run", *order, "--backends", backend, "--device", "cpu", "-o", "o")
        assert Path("o/a.json").stat().st_size
        assert "the backend" not in said


def test_names_of_files_cannot_act_on_a_terminal(refused, checkpoint: Path, capsys) -> None:
    evil = "a\x1b[31m\x07\x1b]0;owned\x07\tb\nerror: forged"
    os.rename("a.wav", f"{evil}.wav")
    write_wav(Path(os.fsdecode(b"no-\xff-utf8.wav")), noise(1.0))
    Path("x\nerror: forged \x1b[2J.wav").write_text("no")
    backend = ("--backends", f"doa@{checkpoint}", "--device", "cpu", "-o", "o", "--formats", "json")
    assert call("run", f"{evil}.wav", *backend) == 0
    assert call("run", os.fsdecode(b"no-\xff-utf8.wav"), *backend) == 0
    assert call("run", "x\nerror: forged \x1b[2J.wav", *backend) == 4
    assert call("run", "none\x1b[31m.wav", *backend) == 4
    assert call("run", "--no\x1b[31m", *backend) == 2
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert not [one for one in text if one != "\n" and not one.isprintable()]
        assert not [line for line in text.splitlines() if line.startswith("error: forged")]


def test_links_that_stand_in_the_output_are_not_followed(refused, checkpoint: Path) -> None:
    Path("victim").write_text("precious\n")
    options = ("--backends", f"doa@{checkpoint}", "--device", "cpu", "-o", "o", "--formats", "json")
    Path("o").mkdir()
    Path("o/a.json").symlink_to(Path("victim").absolute())
    refused(0, "wrote", "run", "a.wav", *options)
    assert not Path("o/a.json").is_symlink()
    shutil.rmtree("o")
    Path("o").mkdir()
    Path("o/manifest.jsonl").symlink_to(Path("victim").absolute())
    refused(2, "manifest", "run", "a.wav", *options)
    assert Path("victim").read_text() == "precious\n"


def test_the_same_run_gives_the_same_bytes(refused, checkpoint: Path) -> None:
    options = ("--backends", f"doa@{checkpoint}", "--device", "cpu", "--formats", "json", "--save-posteriors")
    for number in range(2):
        refused(0, "wrote", "run", "a.wav", *options, "-o", f"o{number}")
    first, second = (next(Path(f"o{number}").rglob("*.safetensors")).read_bytes() for number in range(2))
    assert first == second
    names = list(json.loads(first[8 : 8 + struct.unpack_from("<Q", first)[0]])["__metadata__"])
    assert names == sorted(names)
