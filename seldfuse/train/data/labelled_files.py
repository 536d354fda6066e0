"""Sounds on disk and the label files that belong to them."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.formats.folder import drop_by_products
from seldfuse.formats.label_files import list_notes
from seldfuse.media.inputs import MEDIA_SUFFIXES, VIDEO_SUFFIXES
from seldfuse.storage.text import format_count, name_some
from seldfuse.storage.walk import compose, find_files
from seldfuse.train.data.annotation import FILES, Annotation, read_annotation
from seldfuse.train.data.targets import CLASS, convert_file

TRAIN_FOLDS = (1, 2, 3)
VALIDATE_FOLDS = (4,)
"""As the challenge's baseline has it: folds 1 and 2 are synthetic scenes, 3 its training and 4 its test recordings."""

SHOWN = 3
CLASSES_SHOWN = 5

LAYOUTS = (
    "give a folder that holds stereo_dev/<split>/<clip>.wav and metadata_dev/<split>/<clip>.csv, or one in which "
    "each sound has a CSV file of the same name beside it"
)

# The folders of a data set that are apart only because of what kind of file is in them.
_PART = re.compile(r"(stereo|metadata|video)_(dev|eval)")


@dataclass(frozen=True)
class LabelledFile:
    """A sound and its labels.

    `name` is the sound's path inside of the folder without suffix, `fold` the number in a name such as
    `fold3_room21_mix001`, `split` the name of the folder that the sound is in. `of_challenge` marks a file of
    the challenge's layout, which lasts 5 s. `video` is the file with the picture, if there is one. `annotation` says
    how the labels are read.
    """

    name: str
    sound: Path
    labels: Path
    fold: int | None
    split: str
    of_challenge: bool
    annotation: Annotation
    video: Path | None = None


def find_labelled_files(
    folder: Path, labels: LabelSet, problems: list[str], labelled: Collection[str] = ()
) -> list[LabelledFile]:
    """Find the sounds in a folder and below it that have a label file of their name, sorted by name.

    Files pair that lie side by side, or in the same split of `stereo_dev` and `metadata_dev`. Where a name has a sound
    and a video, the sound is taken. Hidden files are not looked at; files without a partner are passed over. All
    label files are read, so that a wrong one is an error at once. What is passed over, and what is assumed of label
    files, is added to `problems`. `labelled` are the classes that were annotated, unless the folder says
    (`read_annotation`).

    Raises UsageError where there is no folder, no sound, no pair, no event at all, or a label file that is none.
    """
    if not folder.is_dir():
        found = "got a file" if folder.exists() else "there is none"
        raise UsageError(f"expected a folder of sounds and label files, {found}; {LAYOUTS}: {folder}")
    sounds, tables = _files(folder, problems)
    if not sounds:
        raise UsageError(f"expected sounds, found none and {_count_some(tables, 'label file')}; {LAYOUTS}: {folder}")
    names = sorted(sounds.keys() & tables.keys())
    if not names:
        raise UsageError(
            f"expected a label file for each sound, found {_count_some(sounds, 'sound')} and "
            f"{_count_some(tables, 'label file')}, but no name that both have; {LAYOUTS}: {folder}"
        )
    problems += _strays(folder, sounds, tables)
    annotation = read_annotation(folder, labels, labelled)
    pairs = [_pair(name, sounds[name], tables[name], annotation) for name in names]
    problems += _look_into([pair.labels for pair in pairs], annotation, folder)
    return pairs


def describe_unseen(pairs: Sequence[LabelledFile], folder: Path) -> Iterator[str]:
    """Describe the classes that no label has, though they seem to be annotated, and those that are not annotated.

    All label files are read. Raises UsageError.
    """
    annotation = pairs[0].annotation
    names, known = annotation.labels.names, annotation.mark_labelled()
    seen = {int(cls) for file in annotation.read_many([pair.labels for pair in pairs]) for cls in file.rows[:, CLASS]}
    silent = [name for cls, name in enumerate(names) if known[cls] and cls not in seen]
    if silent and not annotation.labelled:
        example = ", ".join(f'"{names[cls]}"' for cls in sorted(seen)[:SHOWN])
        yield (
            f"no label has {name_some(silent, CLASSES_SHOWN)}: the network learns that they are silent throughout. If "
            f"they were not annotated, say what was, labelled = [{example}] in {FILES[0]} or the recipe: {folder}"
        )
    if not known.all():
        unknown = [name for name, one in zip(names, known.tolist(), strict=True) if not one]
        yield f"not annotated, so neither learned nor judged here: {name_some(unknown, CLASSES_SHOWN)}: {folder}"


def split_by_fold(
    pairs: Sequence[LabelledFile],
    train_folds: Collection[int] = TRAIN_FOLDS,
    validate_folds: Collection[int] = VALIDATE_FOLDS,
) -> tuple[list[LabelledFile], list[LabelledFile]]:
    """Split pairs into those that train and those that validate, by fold; either may be none.

    Without a fold in its name, a sound validates where its split is one for tests (`dev-test-tau`, `test`); all other
    such sounds train.
    """
    numbered = [pair for pair in pairs if pair.fold is not None]
    others = [pair for pair in pairs if pair.fold is None]
    train = [pair for pair in numbered if pair.fold in train_folds] + [pair for pair in others if not _tests(pair)]
    validate = [pair for pair in numbered if pair.fold in validate_folds] + [pair for pair in others if _tests(pair)]
    return sorted(train, key=_name), sorted(validate, key=_name)


def _files(folder: Path, problems: list[str]) -> tuple[dict[str, list[Path]], dict[str, Path]]:
    """Sounds (and videos) and label files by the name that pairs them."""
    sounds: defaultdict[str, list[Path]] = defaultdict(list)
    tables: dict[str, Path] = {}
    # Folder by folder, for of two label files of one name the last one counts.
    found = find_files(folder, MEDIA_SUFFIXES | {".csv"})
    if text := found.describe_passed_over():
        problems.append(text)
    files = drop_by_products(found.files, problems.append)
    for path in sorted(files, key=lambda path: (path.parent, path.name)):
        place = [part for part in path.parent.relative_to(folder).parts if not _PART.fullmatch(part)]
        name = compose("/".join([*place, path.stem]))
        if path.suffix.lower() == ".csv":
            tables[name] = path
        else:
            sounds[name].append(path)
    return dict(sounds), tables


def _pair(name: str, sounds: Sequence[Path], labels: Path, annotation: Annotation) -> LabelledFile:
    path, sound = PurePosixPath(name), min(sounds, key=_preference)
    video = next((file for file in sorted(sounds) if file.suffix.lower() in VIDEO_SUFFIXES), None)
    found = re.match(r"fold(\d+)_", path.name)
    of_challenge = sound.suffix.lower() == ".wav" and sound.parent.parent.name == "stereo_dev"
    fold = int(found[1]) if found else None
    return LabelledFile(name, sound, labels, fold, path.parent.name, of_challenge, annotation, video)


def _preference(path: Path) -> tuple[bool, bool, str]:
    """Sort a sound before a video, and a WAV file rather than a lossy one."""
    return path.suffix.lower() in VIDEO_SUFFIXES, path.suffix.lower() != ".wav", str(path)


def _name(pair: LabelledFile) -> str:
    return pair.name


def _tests(pair: LabelledFile) -> bool:
    return "test" in re.split(r"[-_. ]", pair.split.lower())


def _strays(folder: Path, sounds: dict[str, list[Path]], tables: dict[str, Path]) -> Iterator[str]:
    silent, deaf = sorted(tables.keys() - sounds.keys()), sorted(sounds.keys() - tables.keys())
    if deaf:
        yield f"passed over {_count_some(deaf, 'sound')} without a label file of the same name: {folder}"
    if silent:
        yield f"passed over {_count_some(silent, 'label file')} without a sound of the same name: {folder}"
    doubles = [name for name, paths in sounds.items() if name in tables and len(_drop_videos(paths)) > 1]
    if doubles:
        yield f"took one sound each, WAV first, where a name has several: {_name_some(doubles)}: {folder}"


def _drop_videos(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() not in VIDEO_SUFFIXES]


def _look_into(paths: Sequence[Path], annotation: Annotation, folder: Path) -> list[str]:
    """Read what networks will learn, and list what was assumed of it."""
    read = annotation.read_many(paths)
    problems = list_notes(read)
    for file in read:
        convert_file(file, problems.append)
    if any(len(file.rows) for file in read):
        return problems
    raise UsageError(
        f"expected labelled events, found no event in any of {_count_some(paths, 'label file')}; a label file holds "
        f"one line for each source and frame of 100 ms, frame,class,source,azimuth,distance,onscreen: {folder}"
    )


def _count_some(found: Collection[object], noun: str) -> str:
    examples = [name for name in found if isinstance(name, str)]
    such = f" ({_name_some(examples)})" if examples else ""
    return format_count(len(found), noun) + such


def _name_some(names: Collection[str]) -> str:
    return name_some(sorted(names), SHOWN, count_rest=False)
