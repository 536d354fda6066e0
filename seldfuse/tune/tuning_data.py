"""Members' posteriors of all clips, and the targets: the data that fusion is fitted on."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.events import Events
from seldfuse.core.grid import TRACKS
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.formats.folder import find_label_files, pair_names, shorten
from seldfuse.formats.label_files import list_notes, read_label_files
from seldfuse.formats.label_ids import describe_unknown_classes, renumber_events
from seldfuse.fusion import build_vote_posterior
from seldfuse.inference.member_folders import open_members
from seldfuse.metrics.rows import Scene, to_rows

VIEW = re.compile(r"_deg\d+_start\d+$")
"""The end of a challenge clip's name: its view and its start. Clips that differ in these alone are one recording."""


@dataclass(frozen=True)
class TuningData:
    """Posteriors of all clips, one batch for each member, and the target, padded with silence to one length.

    `references` are the events as they were read, in plain rows; `recording` numbers each clip's recording.
    """

    members: Mapping[str, Posterior]
    target: Posterior
    references: Sequence[Scene]
    recording: Int[Tensor, "clip"]

    @classmethod
    def from_folders(
        cls, members: Mapping[str, Posterior], references: Sequence[Events], names: Sequence[str]
    ) -> "TuningData":
        """Build from the members' posteriors of all clips, the reference events of each clip, and the clips' names."""
        frames = next(iter(members.values())).frames
        target = Posterior.concat([_build_target(events, frames) for events in references])
        return cls(members, target, [to_rows(events) for events in references], _recordings(names))

    def __len__(self) -> int:
        return len(self.references)

    def select_members(self, clips: Bool[Tensor, "clip"] | slice) -> dict[str, Posterior]:
        """Select some of the clips of every member."""
        return {name: posterior.map(lambda value: value[clips]) for name, posterior in self.members.items()}

    def take(self, chosen: Bool[Tensor, "clip"]) -> "TuningData":
        """Select some of the clips."""
        references = [scene for scene, selected in zip(self.references, chosen.tolist(), strict=True) if selected]
        target = self.target.map(lambda value: value[chosen])
        return TuningData(self.select_members(chosen), target, references, self.recording[chosen])

    def sample_clips(self, clips: int, seed: int) -> "TuningData":
        """Draw recordings with all their clips until there are so many clips; all, where there are no more."""
        if len(self) <= clips:
            return self
        sizes = self.recording.bincount()
        order = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed))
        drawn = order[: int((sizes[order].cumsum(0) < clips).sum()) + 1]
        part = self.take(torch.isin(self.recording, drawn))
        return replace(part, recording=torch.searchsorted(drawn.sort().values, part.recording))

    def keep_scored(self, official: bool) -> Bool[Tensor, "clip frame"] | None:
        """Mark the frames that the challenge's scorer counts; None where all count."""
        if not official:
            return None
        frame = torch.arange(self.target.frames)
        sounding = (self.target.activity > 0.5).any(-1).any(-1)
        return frame < (sounding * frame).amax(-1, keepdim=True)


def read_tuning_data(
    folders: Sequence[str | Path], reference: Path, warn: Callable[[str], None], labels: LabelSet | None = None
) -> TuningData:
    """Read as `read_members` does, without the names."""
    return read_members(folders, reference, warn, labels)[0]


def read_members(
    folders: Sequence[str | Path], reference: Path, warn: Callable[[str], None], labels: LabelSet | None = None
) -> tuple[TuningData, Sequence[str]]:
    """Read members' folders and a folder of label files, paired by the clips' names, which are returned, too.

    `labels` are the classes of what is fitted, and those whose ids label files have: else the first member's, and those
    of DCASE 2025. A clip that a member or the reference lacks is left out, and `warn` is called, as of what was assumed
    of files. Raises UsageError where a folder holds nothing to read, or no clip is everywhere.
    """
    label_files = find_label_files(reference, warn)
    clips: list[Mapping[str, Posterior]] = []
    names: list[str] = []
    members = open_members(folders, warn, labels)
    pairs = pair_names(label_files, sorted(set().union(*members.files.values())))
    left_out, notes = 0, Counter[str]()
    for clip in members.read_clips():
        abstains = any(posterior.activity.isnan().all() for posterior in clip.posteriors.values())
        if clip.name in pairs and not abstains:
            clips.append(clip.posteriors)
            names.append(clip.name)
            notes.update(clip.notes)
        else:
            left_out += 1
    if not clips:
        raise UsageError(f"expected clips that all members and the reference have, found none: {reference}")
    if left_out:
        warn(f"{left_out} clips were left out: a member or the reference lacks them")
    for note, number in notes.items():
        warn(note if number == 1 else f"{note} ({number} clips)")
    files = read_label_files([label_files[pairs[name]] for name in names], members.numbering)
    for note in list_notes(files):
        warn(note)
    read = [file.to_events(members.numbering) for file in files]
    known = next(iter(clips[0].values())).labels
    unknown = np.concatenate([events.columns["cls"] for events in read])
    if nameless := describe_unknown_classes(unknown, members.numbering, known):
        warn(f"{nameless}, to which no member says anything: left out of the reference")
    references = [renumber_events(events, known) for events in read]
    frames = max(posterior.frames for posteriors in clips for posterior in posteriors.values())
    batches = {member: Posterior.concat([_fill(one[member], frames) for one in clips]) for member in members.files}
    # Other files of the clips, such as detections, are found by these names.
    names = list(shorten(names).values())
    return TuningData.from_folders(batches, references, names), names


def _fill(posterior: Posterior, frames: int) -> Posterior:
    """Pad with silence at the end; the axis of frames is the second."""

    def filled(value: Tensor) -> Tensor:
        return F.pad(value.float(), (0, 0) * (value.ndim - 2) + (0, frames - value.shape[1]))

    return posterior.map(filled)


def _build_target(events: Events, frames: int) -> Posterior:
    """Build the target on three tracks; what is more than that at once, or beyond the sound's end, is left out."""
    table = events.table[events.table["frame"] < frames]
    table = table[table.groupby(["frame", "cls"]).cumcount() < TRACKS]
    votes = build_vote_posterior(Events(table, events.labels, events.hop_s), frames, TRACKS)
    blank = torch.full_like(votes.activity, torch.nan)
    direction = torch.full((*blank.shape, 3), torch.nan) if votes.direction is None else votes.direction
    distance, onscreen = (blank if value is None else value for value in (votes.distance, votes.onscreen))
    return Posterior(votes.activity, direction, distance, onscreen, labels=votes.labels, hop_s=votes.hop_s)


def _recordings(names: Sequence[str]) -> Int[Tensor, "clip"]:
    stems = [VIEW.sub("", name) for name in names]
    numbers = {stem: number for number, stem in enumerate(dict.fromkeys(stems))}
    return torch.tensor([numbers[stem] for stem in stems])
