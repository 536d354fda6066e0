"""Ids of classes: those of the reference set where names, titles or aliases agree, and no class as another one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import call

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.formats.dcase import read_events
from seldfuse.formats.json import read_segments
from seldfuse.formats.label_ids import describe_unknown_classes, list_unknown, renumber_events

OWN = LabelSet(
    "own", (Label("dog", "Dog"), Label("melody", "Melody", ("Music",)), Label("woman", "Female speech, woman speaking"))
)


def save(folder: Path, labels: LabelSet, activity: list[float], clip: str = "clip", distance: bool = True) -> Path:
    """A posterior of 50 frames at 30° left, with these activities of its classes."""
    active = torch.tensor(activity).reshape(1, 1, -1, 1).expand(1, 50, -1, 1).contiguous()
    place = direction_from_azimuth(torch.full_like(active, 30.0))
    posterior = Posterior(active, place, 2 * torch.ones_like(active) if distance else None, labels=labels)
    folder.mkdir(parents=True, exist_ok=True)
    posterior.save(folder / f"{clip}.safetensors")
    return folder


def test_events_get_the_ids_of_another_set_by_name_title_and_alias() -> None:
    columns = {"frame": np.arange(3), "cls": np.arange(3)}
    (events,) = Events.from_batch(columns, [3], OWN)
    renumbered = renumber_events(events, DCASE2025)
    assert renumbered.columns["cls"].tolist() == [8, 0]
    assert renumbered.columns["frame"].tolist() == [1, 2]
    assert describe_unknown_classes(columns["cls"], OWN, DCASE2025) == "1 active frame of dog, no class of dcase2025"
    assert list_unknown(OWN, DCASE2025) == ["dog"]
    assert renumber_events(renumbered, DCASE2025) is renumbered


def test_a_class_that_the_challenge_does_not_know_is_left_out_of_its_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path / "mine", OWN, [0.9, 0.9, 0.1])
    assert call("fuse", str(folder), "-o", str(tmp_path / "out")) == 0
    assert set(read_events(tmp_path / "out" / "clip.csv").columns["cls"].tolist()) == {8}
    document = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert {event["class"] for event in document["events"]} == {"dog", "melody"}
    assert "50 active frames of dog, no class of dcase2025: left out" in capsys.readouterr().err
    # What was written is read again by name: of the two events the challenge knows none, for a title is not stored.
    assert read_segments(tmp_path / "out" / "clip.json", OWN)["cls"].tolist() == [0, 1]


def test_labels_of_ones_own_have_ids_of_their_own(tmp_path: Path) -> None:
    folder = save(tmp_path / "mine", OWN, [0.9, 0.1, 0.1])
    (tmp_path / "own.json").write_text(json.dumps(OWN.to_json()))
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "clip.csv").write_text("".join(f"{frame},0,0,30,0,200\n" for frame in range(50)))
    labels = ("--labels", str(tmp_path / "own.json"))
    assert call("fuse", str(folder), "-o", str(tmp_path / "out"), *labels) == 0
    assert set(read_events(tmp_path / "out" / "clip.csv", OWN).columns["cls"].tolist()) == {0}


def test_members_of_other_label_sets_have_the_same_ids_whoever_is_first(tmp_path: Path) -> None:
    mine = save(
        tmp_path / "mine", LabelSet("two", (Label("female_speech", "Female"), Label("music", "Music"))), [0, 0.9]
    )
    votes = tmp_path / "votes"
    votes.mkdir()
    (votes / "clip.csv").write_text("".join(f"{frame},8,0,30,0,200\n" for frame in range(50)))
    for number, folders in enumerate(((mine, votes), (votes, mine))):
        out = tmp_path / f"out{number}"
        assert call("fuse", *map(str, folders), "-o", str(out)) == 0
        assert set(read_events(out / "clip.csv").columns["cls"].tolist()) == {8}


def test_a_member_without_distance_in_front_of_others_does_not_stop_the_writers(tmp_path: Path) -> None:
    own = LabelSet("own", (Label("speech", "Speech"), Label("music", "Music")))
    alone = save(tmp_path / "acme", own, [0.9, 0.9], distance=False)
    other = save(tmp_path / "sce", DCASE2025, [0.1] * 8 + [0.9] + [0.1] * 4)
    assert call("fuse", str(alone), str(other), "-o", str(tmp_path / "out")) == 0
    events = read_events(tmp_path / "out" / "clip.csv")
    assert set(events.columns["cls"].tolist()) == {8}
    document = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert {event["class"]: event["distance_m"] for event in document["events"]} == {"speech": 2.0, "music": 2.0}
    assert any("no backend tells the distance of speech" in note for note in document["notes"])
