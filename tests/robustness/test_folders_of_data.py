"""Folders of data that are hostile: pipes, circles of links, lists of files, paths that lead out, bombs of labels."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from worlds import call, noise

from seldfuse.core.label_sets import find_labels
from seldfuse.core.labels import DCASE2025, Label, LabelSet, match_classes
from seldfuse.errors import MediaError, UsageError
from seldfuse.formats.label_files import LabelFileError, read_label_file
from seldfuse.inspection import inspect_data
from seldfuse.limits import MOST_LABEL_BYTES
from seldfuse.media.encode import write_wav
from seldfuse.storage.text import make_printable
from seldfuse.storage.walk import find_files, list_files
from seldfuse.synth.pictures.cutouts import find_cutouts
from seldfuse.synth.pictures.still import check_still, read_still
from seldfuse.synth.sounds.soundbank import load_bank, read_sound

HEADER = "frame,class,source,azimuth,distance,onscreen\n"
ROWS = HEADER + "".join(f"{frame},8,0,{frame},150,0\n" for frame in range(5, 45))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number in range(2):
        write_wav(tmp_path / "data" / f"{number}.wav", noise(5.0, number))
        (tmp_path / "data" / f"{number}.csv").write_text(ROWS)
    return tmp_path / "data"


def pipes(data: Path) -> None:
    for name in ("p.csv", "p.wav", "labels.toml", "labels.json"):
        os.mkfifo(data / name)


def circles(data: Path) -> None:
    (data / "one").symlink_to("other")
    (data / "other").symlink_to("one")
    (data / "above").symlink_to(data)


def devices(data: Path) -> None:
    for name in ("z.csv", "z.wav", "labels.json"):
        (data / name).symlink_to("/dev/zero")


def folders(data: Path) -> None:
    for name in ("z.csv", "z.wav", "labels.toml"):
        (data / name).mkdir()


def names_of_other_bytes(data: Path) -> None:
    for suffix in (b".wav", b".csv"):
        shutil.copy(data / f"0{suffix.decode()}", os.path.join(os.fsencode(data), b"\xff\xfe" + suffix))


def acting_names(data: Path) -> None:
    for suffix in (".wav", ".csv"):
        shutil.copy(data / f"0{suffix}", data / f"a\x1b[31m\nerror: forged\u202e{suffix}")


HARMLESS: dict[str, Callable[[Path], None]] = {
    one.__name__: one for one in (pipes, circles, devices, folders, names_of_other_bytes, acting_names)
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_file_of_data_is_passed_over(data: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    HARMLESS[name](data)
    assert call("check", str(data)) == 0
    said = capsys.readouterr()
    assert make_printable(said.out + said.err, keep_lines=True) == said.out + said.err
    assert call("check", str(data), "--json") == 0
    assert json.loads(capsys.readouterr().out)["clips"] >= 2


WRONG = {
    "a list of recordings": ("1.wav", b"ffconcat version 1.0\nfile 0.wav\n", 1, "list of recordings"),
    "labels nested deeply": ("labels.json", b"[" * 100_000 + b"]" * 100_000, 2, "nested too deeply"),
    "labels of another encoding": ("labels.toml", b"\xff\xfe", 2, "this is no TOML"),
    "a class that is farther away than anything": (
        "labels.toml", b'classes = [{name = "a", typical_distance_m = inf}]', 2, "at most 1000",
    ),
    "too many classes": (
        "labels.toml", f"classes = [{','.join(f'{chr(34)}{n}{chr(34)}' for n in range(20_000))}]".encode(), 2, "10000",
    ),
    "bytes": ("0.csv", b"\0" * 1000, 1, "no text"),
    "a class beyond all": ("0.csv", f"{HEADER}0,99999999999999999999,0,0,150,0\n".encode(), 1, "0 to 12"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(data: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, content, code, said = WRONG[name]
    (data / file).write_bytes(content)
    assert call("check", str(data)) == code
    shown = capsys.readouterr()
    assert said in shown.out + shown.err
    assert "Traceback" not in shown.err
    # A path stands there once.
    assert shown.err.count(str(data)) <= 1


def test_a_label_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER)
    os.truncate(path, MOST_LABEL_BYTES + 1)
    with pytest.raises(LabelFileError, match=r"events of a day at most, but it has more than 33,554,432 bytes"):
        read_label_file(path)


def test_many_classes_are_matched_soon() -> None:
    many = LabelSet("many", tuple(Label(f"c{n}", f"Class {n}", (f"alias {n}",)) for n in range(10_000)))
    other = LabelSet("other", tuple(Label(f"alias {n}", f"Other {n}") for n in range(10_000)))
    assert match_classes(other, many) == tuple(range(10_000))
    assert many.index("ALIAS 9999") == 9999


def test_a_pipe_and_a_circle_are_no_files(data: Path) -> None:
    pipes(data)
    circles(data)
    found = find_files(data, {".csv"})
    assert [path.name for path in found.files] == ["0.csv", "1.csv"]
    assert found.passed_over == {"special file": ("p.csv",)}
    assert "p.wav" not in [path.name for path in list_files(data, "*.wav")]


def test_collections_hold_no_lists_and_no_sequences(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(1.0))
    (tmp_path / "list.wav").write_text("ffconcat version 1.0\nfile a.wav\n")
    with pytest.raises(MediaError, match=r"expected a sound that FFmpeg reads .*list\.wav"):
        read_sound(0, "a", tmp_path / "list.wav")
    os.mkfifo(tmp_path / "p.png")
    for read in (read_still, check_still):
        for name in ("list.wav", "p.png", "%03d.png"):
            with pytest.raises(MediaError, match="expected a picture"):
                read(tmp_path / name)


def test_a_picture_is_no_bomb(tmp_path: Path) -> None:
    # The header alone, in which a size stands.
    bitmap = b"BM" + (2**20).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    side = (20_000).to_bytes(4, "little")
    bitmap += (40).to_bytes(4, "little") + side * 2 + b"\1\0\x18\0" + bytes(24) + bytes(100)
    path = tmp_path / "a.bmp"
    path.write_bytes(bitmap)
    with pytest.raises(MediaError, match=r"20000 × 20000 pixels, more than|expected a picture"):
        read_still(path)


@pytest.mark.parametrize("path", ["../a.wav", "/etc/passwd", "b/../../a.wav", "a\0.wav"])
def test_tables_name_no_file_outside_of_their_folder(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "manifest.csv").write_text(f"class,group,path\nmusic,a,{path}\n")
    with pytest.raises(UsageError, match="in the table's folder"):
        load_bank(folder, DCASE2025, "train")
    (folder / "persons.json").write_text(json.dumps([{"file": path, "keypoints": np.ones((17, 3)).tolist()}]))
    with pytest.raises(UsageError, match="in the table's folder"):
        find_cutouts(folder, DCASE2025, None)


def test_a_label_set_in_json_is_read_within_limits(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text(json.dumps({"name": "x", "classes": ["a"], "more": "x" * 2**20}))
    with pytest.raises(UsageError, match=r"more than 1,048,576 bytes.*: .*l\.json$"):
        find_labels(str(path))


def test_a_folder_with_nothing_in_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        inspect_data(tmp_path, DCASE2025)
