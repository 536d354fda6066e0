"""Folders of posteriors or of plain event tables, as members of an ensemble."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.member_posteriors import MemberPosteriors
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.formats.folder import drop_by_products, merge_names
from seldfuse.formats.label_files import LabelFile, LabelFileError, read_label_file
from seldfuse.fusion.conform import TargetGrid, conform_members
from seldfuse.fusion.tracks import MAX_TRACKS
from seldfuse.fusion.votes import build_vote_posterior
from seldfuse.storage.text import name_some
from seldfuse.storage.walk import find_files, name_in

SUFFIXES = (".safetensors", ".csv")
FIELDS_OF_EVENTS = ("activity", "direction", "distance", "onscreen")
CLIPS_NAMED = 3
"""Clips that a message names."""
LENGTH_TOLERANCE = 0.1
"""How far a direction may be from length 1 where something sounds; half precision needs a hundredth of that."""


@dataclass(frozen=True)
class MemberFolders:
    """The files of each member, by member and clip.

    `labels` are the classes of the result, those of the first member where it is None; `numbering` those whose ids
    label files have.
    """

    files: Mapping[str, Mapping[str, Path]]
    labels: LabelSet | None = None

    @property
    def numbering(self) -> LabelSet:
        return self.labels or DCASE2025

    def list_fields(self) -> set[str]:
        """List the fields that at least one member gives, by the first file of each. Raises UsageError."""
        return set().union(*(_fields(found) for found in self._first().values()))

    def list_bundled(self) -> dict[str, str | None]:
        """List by member the bundled backend that made its first posterior with the bundled checkpoint; else None."""
        defaults = {
            name: entry.value.default_checkpoint
            for name, entry in load_registry().backends.items()
            if entry.distribution == "seldfuse"
        }
        return {
            name: _find_bundled(one.provenance, defaults) if isinstance(one, Posterior) else None
            for name, one in self._first().items()
        }

    def read_clips(self) -> Iterator[MemberPosteriors]:
        """Read what each member has of every clip, in the order of names, with the classes and frames of one grid.

        The grid is that of the first files (`TargetGrid.from_members`), the same for all clips. A member abstains where
        it lacks the clip or its posterior is NaN throughout, which a note tells. Raises UsageError where members do not
        fit.
        """
        first = self._first()
        grid = TargetGrid.from_members(list(first.values()), self.labels)
        fields = {member: _fields(found) for member, found in first.items()}
        absent = {clip: self._absent(clip) for clip in sorted(set().union(*self.files.values()))}
        alike = Counter(absent.values())
        for clip, members in absent.items():
            # Where many clips lack the same, one sentence serves them all, so that it can be counted.
            subject = f"{clip} is missing" if alike[members] == 1 else "missing"
            notes = (f"{subject} from {', '.join(members)}, which abstain",) if members else ()
            yield _read_clip(
                clip,
                {m: _read(paths[clip], self.numbering) for m, paths in self.files.items() if clip in paths},
                grid,
                fields,
                notes,
            )

    def _first(self) -> dict[str, Posterior | Events]:
        return {member: _read(next(iter(paths.values())), self.numbering)[0] for member, paths in self.files.items()}

    def _absent(self, clip: str) -> tuple[str, ...]:
        return tuple(member for member, paths in self.files.items() if clip not in paths)


def open_members(
    folders: Sequence[str | Path], note: Callable[[str], None] = lambda _: None, labels: LabelSet | None = None
) -> MemberFolders:
    """Open the members that folders stand for; a folder's name is its member's name, unless `NAME=FOLDER` gives one.

    Clips are paired by their path below the folder, else by their name where it is unique, and have the names of the
    first folder. `note` is told what was passed over; `labels` are as in `MemberFolders`. Raises UsageError where there
    is no folder, one holds no posteriors and no events, two members have one name, or a member has no clip that another
    has.
    """
    if not folders:
        raise UsageError("expected at least one folder of posteriors or of DCASE CSV files, got none")
    named = [_read_name(str(folder)) for folder in folders]
    if len(dict(named)) < len(named):
        raise UsageError(
            "two folders have one name, which weights could not tell apart; name the members, such as "
            f"first={folders[0]} second={folders[1]}: {', '.join(map(str, folders))}"
        )
    files = merge_names({name: _by_clip(folder, note) for name, folder in named})
    for member, mine in files.items():
        others = set().union(*(paths for other, paths in files.items() if other != member))
        if len(files) > 1 and others.isdisjoint(mine):
            raise UsageError(
                f"{member} has no clip in common with the others: it has {_format_some(mine)}, "
                f"they have {_format_some(others)}; "
                "a clip's name is its file's path below the folder, without suffix"
            )
    return MemberFolders(files, labels)


def _find_bundled(provenance: Mapping[str, Any], defaults: Mapping[str, str | None]) -> str | None:
    """Find the backend that made a posterior, where it did so with its default checkpoint, which `defaults` names."""
    backend = str(provenance.get("backend"))
    return backend if backend in defaults and provenance.get("checkpoint") == defaults[backend] else None


def _fields(found: Posterior | Events) -> tuple[str, ...]:
    return found.provides if isinstance(found, Posterior) else FIELDS_OF_EVENTS


def _format_some(clips: Collection[str]) -> str:
    return name_some(sorted(clips), CLIPS_NAMED, count_rest=False)


def _read_name(text: str) -> tuple[str, Path]:
    """The name of a member and its folder, from `FOLDER` or `NAME=FOLDER`."""
    name, equals, folder = text.partition("=")
    if equals and name and folder and not Path(text).exists():
        return name, Path(folder)
    return Path(text).resolve().name, Path(text)


def _by_clip(folder: Path, note: Callable[[str], None]) -> dict[str, Path]:
    """Files by clip name: the path below the folder, without its suffix."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder of posteriors or of DCASE CSV files: {folder}")
    for suffix in SUFFIXES:
        found = find_files(folder, {suffix})
        files = {name_in(folder, path): path for path in drop_by_products(found.files, note)}
        if files:
            if text := found.describe_passed_over():
                note(text)
            return dict(sorted(files.items()))
    raise UsageError(f"the folder holds neither posteriors ({SUFFIXES[0]}) nor events ({SUFFIXES[1]}): {folder}")


def _read_clip(
    clip: str,
    found: Mapping[str, tuple[Posterior | Events, tuple[str, ...]]],
    grid: TargetGrid,
    fields: Mapping[str, Sequence[str]],
    notes: tuple[str, ...],
) -> MemberPosteriors:
    """What all members, which `fields` names, say of a clip; those who say nothing say that they do not know."""
    notes += tuple(f"{member}: {note}" for member, (_, assumed) in found.items() for note in assumed)
    read = {member: one for member, (one, _) in found.items()}
    mute = [member for member, one in read.items() if isinstance(one, Posterior) and one.activity.isnan().all()]
    if len(mute) < len(read):
        read = {member: one for member, one in read.items() if member not in mute}
    conformed, left_out = _conform_all(read, grid)
    blank = next(iter(conformed.values()))
    posteriors = {
        member: conformed[member] if member in conformed else _make_unknown(blank, fields[member]) for member in fields
    }
    notes += tuple(f"{member} says nothing but NaN, and abstains" for member in mute)
    return MemberPosteriors(clip, posteriors, blank.frames * grid.hop_s, (*notes, *left_out))


def _conform_all(
    read: Mapping[str, Posterior | Events], grid: TargetGrid
) -> tuple[dict[str, Posterior], tuple[str, ...]]:
    """Posteriors on the grid, and events as votes that are as long."""
    posteriors, notes = conform_members(
        {name: found for name, found in read.items() if isinstance(found, Posterior)}, grid
    )
    tables = {name: found for name, found in read.items() if isinstance(found, Events)}
    ends = {name: 1 + int(table.table["frame"].max()) if len(table) else 1 for name, table in tables.items()}
    frames = max((posterior.frames for posterior in posteriors.values()), default=max(ends.values(), default=1))
    # Votes get one number of tracks, so that a system without events votes against the second event too.
    tracks = max(map(_tracks, tables.values()), default=1)
    # A table that goes beyond the posteriors keeps its length, by which it is refused.
    votes = {name: build_vote_posterior(table, max(frames, ends[name]), tracks) for name, table in tables.items()}
    fitted, more = conform_members(votes, grid)
    conformed = posteriors | fitted
    return {name: conformed[name] for name in read}, (*notes, *more)


def _make_unknown(like: Posterior, fields: Sequence[str]) -> Posterior:
    """A posterior that gives `fields` and knows none of them anywhere."""
    cell = torch.full_like(like.activity[..., :1], torch.nan)
    values: dict[str, Tensor] = dict.fromkeys(fields, cell)
    if "direction" in values:
        values["direction"] = cell.unsqueeze(-1).expand(*cell.shape, 3)
    return Posterior(**values, labels=like.labels, hop_s=like.hop_s, provenance={"absent": True})


def _read(path: Path, numbering: LabelSet) -> tuple[Posterior | Events, tuple[str, ...]]:
    """A posterior, or a table, whose ids are those of `numbering`, with what was assumed of it."""
    if path.suffix.lower() != ".csv":
        return _read_posterior(path), ()
    file = read_label_file(path, numbering)
    _check_crowd(file)
    return file.to_events(numbering), file.notes


def _check_crowd(file: LabelFile) -> None:
    keys, first, number = np.unique(file.rows[:, :2], axis=0, return_index=True, return_counts=True)
    if (number > MAX_TRACKS).any():
        at = int((number > MAX_TRACKS).argmax())
        raise LabelFileError(
            file.path,
            f"at most {MAX_TRACKS} sources of one class in a frame can be fused, got {number[at]} of class "
            f"{keys[at, 1]:.0f} in frame {keys[at, 0]:.0f}",
            int(file.lines[first[at]]),
        )


def _read_posterior(path: Path) -> Posterior:
    posterior = Posterior.load(path)
    if posterior.activity.shape[0] != 1:
        raise UsageError(f"expected the posterior of one clip, got a batch of {posterior.activity.shape[0]}: {path}")
    _check_values(posterior, path)
    return posterior


def _check_values(posterior: Posterior, path: Path) -> None:
    """Finds the two slips that other systems are likely to make: logits, and directions as long as the activity."""
    activity = posterior.activity
    outside = (activity < 0) | (activity > 1)
    if outside.any():
        raise UsageError(f"expected activity from 0 to 1, got {activity[outside][0].item():g}: {path}")
    if posterior.direction is None:
        return
    length = posterior.direction.float().norm(dim=-1)
    wrong = (activity > 0.5) & ((length - 1).abs() > LENGTH_TOLERANCE)
    if wrong.any():
        raise UsageError(f"expected unit vectors as direction, got one of length {length[wrong][0].item():g}: {path}")


def _tracks(events: Events) -> int:
    return int(events.table.groupby(["frame", "cls"]).size().max()) if len(events) else 1
