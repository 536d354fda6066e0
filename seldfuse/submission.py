"""The package that the challenge wants of a system: checked predictions, and what is known of how they were made.

DCASE Challenge 2025: `task3/LABEL/` holds `LABEL.output/`, one CSV file per clip of the evaluation set, and
`LABEL.meta.yaml`.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import seldfuse
from seldfuse.checkpoint import BUNDLED, CONFIG
from seldfuse.core.grid import WINDOW_FRAMES
from seldfuse.errors import UsageError
from seldfuse.evaluation import evaluate
from seldfuse.formats.folder import find_label_files, pair_names
from seldfuse.formats.json import read_document
from seldfuse.formats.label_files import LabelFile, LabelFileError, read_label_files
from seldfuse.formats.label_layouts import ROW
from seldfuse.limits import MOST_LABEL_BYTES
from seldfuse.media.inputs import MEDIA_SUFFIXES
from seldfuse.run_manifest import NAME as MANIFEST
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.json_lines import read_json_lines
from seldfuse.storage.read_bytes import read_bytes
from seldfuse.storage.read_json import read_object
from seldfuse.storage.text import format_count, name_some
from seldfuse.storage.walk import compose, find_files, name_in

LABEL = re.compile(r"[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*_task3[ab]?_[1-4]")

HEADINGS = ("name", "filename", "file", "clip", "sample", "audio")
"""First lines of lists that name no clip."""

TODO = "TODO"

NAMED = 5
"""Clips that a message names before it counts the rest."""


@dataclass(frozen=True)
class Package:
    """What was packed: its folder, the metadata in it, how many clips, and how many places a person must fill in."""

    folder: Path
    metadata: Path
    clips: int
    todo: int

    def to_json(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "metadata": str(self.metadata), "clips": self.clips, "todo": self.todo}


def find_evaluation_clips(place: Path) -> list[str]:
    """Find the names of the clips of the evaluation set, without suffix: of the recordings in a folder, or in the first
    column of a text or CSV file. Raises UsageError where there are none, or two of one name.
    """
    if place.is_dir():
        found = find_files(place, MEDIA_SUFFIXES | {".csv"})
        names = [name_in(path.parent, path) for path in found.files]
    else:
        try:
            lines = read_bytes(place, MOST_LABEL_BYTES).decode("utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--evaluation expects a folder of clips, or a file with a clip's name a line ({error}): {place}"
            ) from error
        names = [_to_name(line) for line in lines if line.strip()]
        names = names[1:] if names and names[0].lower() in HEADINGS else names
    if not names:
        raise UsageError(f"expected the clips of the evaluation set, found none: {place}")
    if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
        raise UsageError(f"the evaluation set has clips of one name: {name_some(twice, NAMED)}: {place}")
    return names


def pack(
    predictions: Path,
    clips: Sequence[str],
    label: str,
    out: Path,
    development: Path | None = None,
    reference: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Package:
    """Check the predictions of every clip, and write `OUT/task3/LABEL`.

    With predictions on the development set and its labels (`reference`) the metadata gets scores, by official counting.
    Raises UsageError for a label that is none, for missing clips and several files of one clip, and for the first file
    that is not in the challenge's layout or within its ranges.
    """
    if not LABEL.fullmatch(label):
        raise UsageError(f"--label expects a name such as Muster_XY_task3_1, with a number from 1 to 4, got {label!r}")
    if (development is None) != (reference is None):
        raise UsageError("scores on the development set need both --development FOLDER and --reference FOLDER")
    files = _find_predictions(predictions, clips, note)
    for file in read_label_files(list(files.values())):
        _check(file)
    scores = _score(development, reference, note) if development and reference else {}
    text = describe_system(label, predictions, files, scores)
    folder = out / "task3" / label
    metadata, output = folder / f"{label}.meta.yaml", folder / f"{label}.output"
    if metadata.exists() and TODO not in metadata.read_text(encoding="utf-8"):
        raise UsageError(f"this was packed and filled in already; choose another folder with -o: {metadata}")
    for name, path in files.items():
        with write_atomically(output / f"{name}.csv") as draft:
            shutil.copyfile(path, draft)
    strangers = {path.stem for path in output.glob("*.csv")} - set(files)
    if strangers:
        raise UsageError(f"clips of another evaluation set lie there ({name_some(sorted(strangers), NAMED)}): {output}")
    with write_atomically(metadata) as draft:
        draft.write_text(text, encoding="utf-8")
    return Package(folder, metadata, len(files), text.count(TODO))


def _to_name(line: str) -> str:
    cell = re.split(r"[,;\t]", line.strip())[0].strip().strip("\"'")
    last = cell.replace("\\", "/").rpartition("/")[2]
    path = Path(last)
    return compose(path.stem if path.suffix.lower() in MEDIA_SUFFIXES | {".csv"} else last)


def _find_predictions(folder: Path, clips: Sequence[str], note: Callable[[str], None]) -> dict[str, Path]:
    found = find_label_files(folder, note)
    pairs = pair_names(clips, found)
    missing = sorted(set(clips) - set(pairs.values()))
    if missing:
        raise UsageError(
            f"{format_count(len(missing), 'clip')} of the evaluation set of {len(clips)} have no predictions "
            f"({name_some(missing, NAMED)}): {folder}"
        )
    left = [name for name in found if name not in pairs]
    if doubles := sorted(name for name in left if name.rpartition("/")[2] in set(clips)):
        raise UsageError(f"several files are called like one clip: {name_some(doubles, NAMED)}: {folder}")
    if left:
        note(f"{len(left)} files are of no clip of the evaluation set and were left out ({name_some(left, NAMED)})")
    return {pairs[name]: path for name, path in sorted(found.items()) if name in pairs}


def _check(file: LabelFile) -> None:
    """Raise for the first value that the challenge's files cannot have."""
    if file.layout.columns != ROW or not file.layout.certain or file.layout.why:
        raise LabelFileError(
            file.path, f"expected the header {','.join(ROW)}", None, "`seldfuse fuse FOLDER` writes files that have it"
        )
    if file.notes:
        raise LabelFileError(file.path, file.notes[0], None, "mend the file, or pack what `seldfuse fuse` makes of it")
    frame, _, _, azimuth_deg, _, _ = file.rows.T
    for bad, expected, values in (
        (frame >= WINDOW_FRAMES, f"frames from 0 to {WINDOW_FRAMES - 1}, for clips last 5 s", frame),
        (np.abs(azimuth_deg) > 90, "azimuths from -90 to 90, folded to the front", azimuth_deg),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise LabelFileError(file.path, f"expected {expected}, got {values[row]:g}", int(file.lines[row]))


def _score(development: Path, reference: Path, note: Callable[[str], None]) -> dict[str, float]:
    scores = evaluate(development, reference)
    for text in scores.notes:
        note(text)
    return {name: scores[name] for name in ("f20_1", "f20_1_on", "doae_deg", "rde", "osa")}


def describe_system(label: str, predictions: Path, files: Mapping[str, Path], scores: Mapping[str, float]) -> str:
    """Describe a system as YAML, as far as a run left word of it; what a person must write is marked TODO."""
    made = next(filter(None, (read_document(path.with_suffix(".json")) for path in files.values())), {})
    members = _list_names(made, "backends")
    configs = {name: config for name, config in _read_configs(predictions).items() if not members or name in members}
    trained = [config.get("training", {}) for config in configs.values()]
    recipes = [training.get("recipe", {}) for training in trained]
    features = dict.fromkeys(name for config in configs.values() for name in config.get("features", []))
    encoders = dict.fromkeys(name for config in configs.values() for name in config.get("encoders", []))
    changed = dict.fromkeys(name for recipe in recipes for name, amount in recipe.get("augment", {}).items() if amount)
    parameters = [training.get("parameters") for training in trained]
    known = bool(parameters) and len(parameters) == len(members) and None not in parameters
    total = str(sum(parameters)) if known else TODO
    if known and encoders:
        total += f"  # {TODO}: add those of the encoders {', '.join(encoders)}"
    detectors = _list_names(made, "detectors")
    method = ", ".join(members)
    lines = [
        "# What seldfuse knows is filled in; write what is marked TODO.",
        "submission:",
        f"  label: {label}",
        f"  name: {TODO}",
        f"  abbreviation: {TODO}  # at most 10 characters",
        "  authors:",
        *(f"    {'- ' if key == 'lastname' else '  '}{key}: {value}" for key, value in _AUTHOR.items()),
        "      affiliation:",
        *(f"        {key}: {TODO}" for key in ("abbreviation", "institute", "department", "location")),
        "system:",
        "  description:",
        f"    input_format: {_list(['stereo audio', *(['video'] if encoders or detectors else [])])}",
        "    input_sampling_rate: 24 kHz",
        f"    acoustic_features: {_list(features)}",
        f"    pretrained_encoders: {_list(encoders, 'none')}",
        f"    data_augmentation: {_list(changed)}",
        f"    machine_learning_method: {json.dumps(method) if method else TODO}",
        f"    ensemble_members: {_list(members)}",
        f"    ensemble_method_subsystem_count: {len(members) if members else TODO}",
        f"    decision_making: {json.dumps('fusion ' + str(made['fusion'])) if 'fusion' in made else TODO}",
        f"    post_processing: {_list(detectors, 'none' if made else TODO)}",
        f"    software: {json.dumps('seldfuse ' + seldfuse.__version__)}",
        "  complexity:",
        f"    total_parameters: {total}",
        f"  external_datasets: {TODO}",
        f"  source_code: {TODO}",
        "results:",
        "  development_dataset:",
        *(f"    {name}: {_number(scores.get(key))}" for name, key in _RESULTS.items()),
    ]
    return "\n".join(lines) + "\n"


_AUTHOR = {"lastname": TODO, "firstname": TODO, "email": TODO, "corresponding": "true"}

_RESULTS = {"F_20_1": "f20_1", "F_20_1_on": "f20_1_on", "DOAE": "doae_deg", "RDE": "rde", "OSA": "osa"}


def _read_configs(predictions: Path) -> dict[str, dict[str, Any]]:
    """The settings of the checkpoints by member, as the newest run into the folder names them."""
    try:
        lines = [line.value for line in read_json_lines(predictions / MANIFEST, torn="skip")]
    except OSError:
        return {}
    recipe: dict[str, Any] = next((line for line in reversed(lines) if "clip" not in line), {})
    configs = {}
    for member in _list_tables(recipe.get("backends")):
        places = [Path(name) for name in _list_names(member, "checkpoint")]
        place = next((path.parts[0] for path in places if path.name == CONFIG and not path.is_absolute()), None)
        config = next((root / place / CONFIG for root in BUNDLED if place and (root / place / CONFIG).is_file()), None)
        if config is not None:
            configs[str(member.get("name"))] = read_object(config)
    return configs


def _list_names(table: Mapping[str, Any], key: str) -> list[str]:
    """List the texts in a list, or the keys of a table; anybody may have written the file that it is from."""
    found = table.get(key)
    return [name for name in found if isinstance(name, str)] if isinstance(found, list | dict) else []


def _list_tables(found: object) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _list(names: Any, none: str = TODO) -> str:
    names = list(names)
    return json.dumps(names) if names else none


def _number(value: float | None) -> str:
    if value is None:
        return TODO
    return "null" if np.isnan(value) else f"{value:.4f}"
