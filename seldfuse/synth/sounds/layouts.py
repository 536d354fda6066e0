"""How collections of sounds lie on disk, and which of their labels mean which class."""

import csv
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.storage.read_json import read_object
from seldfuse.storage.walk import is_below, list_files, list_folders

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aif", ".aiff")

Side = Literal["train", "held", "fit"]
"""What sounds are for: networks train on them, are validated on them, or fusion is fitted on them."""

SIDES = get_args(Side)

Report = Callable[[str], None]


class SoundFile(NamedTuple):
    """A sound file: the id of its class, who or what made it, its path inside the folder, with slashes, and the
    collection that it is from, where there are several.

    `side` is None where the collection does not say what it is for.
    """

    cls: int
    group: str
    key: str
    source: str = ""
    side: Side | None = None


class ClassSynonyms(NamedTuple):
    """What a class is called elsewhere.

    `names` are labels of FSD50K (AudioSet's names, with underscores) that mean the class. `along` are labels that
    stand beside them and say nothing else: families, materials. `esc50` are categories of ESC-50.
    """

    names: str
    along: str = ""
    esc50: str = ""


MEANINGS = {
    "female_speech": ClassSynonyms("Female_speech_and_woman_speaking", "Speech Human_voice"),
    "male_speech": ClassSynonyms("Male_speech_and_man_speaking", "Speech Human_voice"),
    "clapping": ClassSynonyms("Clapping Applause", "Hands Human_group_actions", "clapping"),
    "telephone": ClassSynonyms("Telephone Ringtone", "Alarm Bell"),
    "laughter": ClassSynonyms("Laughter Giggle Chuckle_and_chortle", "Human_voice", "laughing"),
    "domestic_sounds": ClassSynonyms(
        "Vacuum_cleaner Mechanical_fan Air_conditioning Boiling Frying_(food) Microwave_oven Blender Hair_dryer "
        "Washing_machine Toilet_flush Dishes_and_pots_and_pans Cutlery_and_silverware",
        "Domestic_sounds_and_home_sounds Mechanisms Glass Chink_and_clink Liquid Water",
        "vacuum_cleaner washing_machine toilet_flush",
    ),
    "footsteps": ClassSynonyms("Walk_and_footsteps", "Run", "footsteps"),
    "door": ClassSynonyms(
        "Door Sliding_door Slam Cupboard_open_or_close Drawer_open_or_close",
        "Domestic_sounds_and_home_sounds Squeak Wood Thump_and_thud",
        "door_wood_creaks",
    ),
    "music": ClassSynonyms("Music"),
    "musical_instrument": ClassSynonyms(
        "Musical_instrument Accordion Acoustic_guitar Bass_drum Bass_guitar Bowed_string_instrument Brass_instrument "
        "Cowbell Crash_cymbal Cymbal Drum Drum_kit Electric_guitar Glockenspiel Gong Guitar Harmonica Harp Hi-hat "
        "Keyboard_(musical) Mallet_percussion Marimba_and_xylophone Organ Percussion Piano Plucked_string_instrument "
        "Rattle_(instrument) Snare_drum Strum Tabla Tambourine Trumpet Wind_instrument_and_woodwind_instrument",
        "Music Bell",
    ),
    "water_tap": ClassSynonyms(
        "Water_tap_and_faucet Sink_(filling_or_washing)", "Domestic_sounds_and_home_sounds Water Liquid"
    ),
    "bell": ClassSynonyms("Bell Church_bell Bicycle_bell Chime Wind_chime", "Alarm Bicycle Vehicle", "church_bells"),
    "knock": ClassSynonyms("Knock", "Door Domestic_sounds_and_home_sounds Tap Wood", "door_wood_knock"),
}
"""The DCASE classes in the words of FSD50K (doi:10.1109/TASLP.2021.3133208, after the AudioSet ontology) and ESC-50.

Cupboards count as doors and cowbells as instruments, as in STARSS23 (doi:10.5281/zenodo.7709052). A doorbell is
neither a door nor quite a bell, and stays out.
"""


def find_sounds(folder: Path, labels: LabelSet, on_problem: Report | None = None) -> Iterator[SoundFile]:
    """Find the sounds of a folder without opening one.

    Raises UsageError where the folder is none, a table lacks columns, a class or a side is unknown, or a group is on
    two sides; with `on_problem` the unknown class is reported and passed over.
    """
    if not folder.is_dir():
        raise UsageError(f"--sounds expects a folder of sounds: {folder}")
    if (folder / "manifest.csv").is_file():
        return _manifest(folder, labels, on_problem)
    if (folder / "FSD50K.ground_truth").is_dir():
        return _fsd50k(folder, labels)
    if (folder / "meta" / "esc50.csv").is_file():
        return _esc50(folder, labels)
    return _folders(folder, labels, on_problem)


def _manifest(folder: Path, labels: LabelSet, on_problem: Report | None) -> Iterator[SoundFile]:
    table = folder / "manifest.csv"
    class_of = cache(lambda word: _class_of(word, labels, table, on_problem))
    listed: set[str] = set()
    sides: dict[str, Side | None] = {}
    for line, row in _rows(table, {"class", "group", "path"}):
        cls, key = class_of(row["class"]), Path(row["path"]).as_posix()
        if not is_below(folder / key, folder):
            raise UsageError(f"expected a path in the table's folder, got {key!r} in line {line}: {table}")
        if key in listed:
            raise UsageError(f"expected one line for each sound, got two for {key!r}: {table}")
        listed.add(key)
        source = row.get("source", "")
        group, side = f"{source}/{row['group']}", _find_side(row, line, table)
        # A speaker of training must not return in validation, under whatever class.
        known = sides.setdefault(group, side)
        if known != side:
            raise UsageError(
                f"expected each group on one side, got {group!r} with {known} and with {side} in line {line}: {table}"
            )
        if cls is not None:
            yield SoundFile(cls, group, key, source, side)


def _find_side(row: Mapping[str, str], line: int, table: Path) -> Side | None:
    """None where the table has no column `side`: then the rank of the group decides."""
    word = row.get("side")
    if word is None:
        return None
    if word not in SIDES:
        raise UsageError(f"expected {', '.join(SIDES)} for side, got {word!r} in line {line}: {table}")
    return cast("Side", word)


def _folders(folder: Path, labels: LabelSet, on_problem: Report | None) -> Iterator[SoundFile]:
    """A file's group is the sub-folder it stands in, or itself where it stands in the class folder."""
    for place in list_folders(folder):
        cls = _class_of(place.name.lstrip("0123456789_- "), labels, place, on_problem)
        if cls is None:
            continue
        for path in list_files(place):
            if path.suffix.lower() in SUFFIXES:
                group = path.parent if path.parent != place else path
                yield SoundFile(cls, str(group.relative_to(folder)), path.relative_to(folder).as_posix())


def _class_of(word: str, labels: LabelSet, where: Path, on_problem: Report | None) -> int | None:
    try:
        return labels.index(word)
    except UsageError as error:
        if on_problem is None:
            raise UsageError(f"{error}: {where}") from error
        on_problem(f"passed over: {error}: {where}")
        return None


def _fsd50k(folder: Path, labels: LabelSet) -> Iterator[SoundFile]:
    """FSD50K as it is unpacked; a file's group is its uploader where the metadata is there, else itself.

    A part whose sounds are not there (`FSD50K.dev_audio`, `FSD50K.eval_audio`) is passed over.
    """
    for part in ("dev", "eval"):
        if (folder / f"FSD50K.{part}_audio").is_dir():
            uploader = _uploaders(folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json")
            for _, row in _rows(folder / "FSD50K.ground_truth" / f"{part}.csv", {"fname", "labels"}):
                name = match_class(frozenset(row["labels"].split(",")))
                if name in labels.names:
                    group = uploader.get(row["fname"], row["fname"])
                    yield SoundFile(labels.index(name), group, f"FSD50K.{part}_audio/{row['fname']}.wav")


def _uploaders(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        return {name: clip["uploader"] for name, clip in read_object(path, MOST_DOCUMENT_BYTES).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"expected FSD50K's clips with their 'uploader' ({error!r}); unpack it anew: {path}"
        ) from error


@cache
def match_class(words: frozenset[str]) -> str | None:
    """Match a set of FSD50K's labels with one class: a name of it is there, and nothing but what goes along.

    None where none or several would do. A label that belongs to no class is something else that is heard.
    """
    classes = [
        name
        for name, (names, along, _) in MEANINGS.items()
        if words & set(names.split()) and words <= {*names.split(), *along.split()}
    ]
    return classes[0] if len(classes) == 1 else None


def _esc50(folder: Path, labels: LabelSet) -> Iterator[SoundFile]:
    """ESC-50; files that were cut from one recording are a group."""
    classes = {category: name for name, meaning in MEANINGS.items() for category in meaning.esc50.split()}
    for _, row in _rows(folder / "meta" / "esc50.csv", {"filename", "category", "src_file"}):
        name = classes.get(row["category"])
        if name in labels.names:
            yield SoundFile(labels.index(name), row["src_file"], f"audio/{row['filename']}")


def _rows(table: Path, columns: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the numbers of their lines."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, restval="")
            missing = columns - set(rows.fieldnames or ())
            if missing:
                raise UsageError(f"{table.name} lacks the columns {sorted(missing)}: {table}")
            for row in rows:
                yield rows.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"expected a table of sounds that can be read ({error}): {table}") from error
