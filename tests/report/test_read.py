"""What a page shows is what the files of a run hold; what is not there is said."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_world import BELL, ReportWorld, find_clip, make_result, make_world
from worlds import film

from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.errors import UsageError
from seldfuse.formats.dcase import read_events
from seldfuse.report.clip_report import ClipReport
from seldfuse.report.read import ReportSources, find_results, report_result


@pytest.fixture
def world(tmp_path: Path) -> ReportWorld:
    return make_world(tmp_path)


def read(world: ReportWorld, **options: Path) -> ClipReport:
    (report,) = ReportSources(world.out, **options).read_clips()
    return report


def test_everything_that_was_kept_is_read(world: ReportWorld) -> None:
    report = read(world)
    assert (report.name, report.duration_s, report.hop_s) == ("talk", 5.0, 0.1)
    assert report.missing == {}
    assert report.clip is not None
    assert report.clip.video_path == world.recording
    assert list(report.posteriors) == ["sce", "sed_other"]
    assert list(report.detections) == ["keypoint"]
    assert report.result.events["class"].tolist() == ["female_speech", "bell"]
    assert report.result.events["start_s"].tolist() == [1.0, 3.5]
    assert report.doubt == pytest.approx(0.25)
    assert report.notes == ("a note",)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_paths_are_the_rows_of_the_csv_file(world: ReportWorld, suffix: str) -> None:
    written = read_events(world.out / "talk.csv").columns
    (world.out / f"talk{'.csv' if suffix == '.json' else '.json'}").unlink()
    paths = read(world).result.paths
    assert paths.azimuth_deg.tolist() == written["azimuth_deg"].tolist()
    assert paths.distance_m.tolist() == written["distance_m"].tolist()


def test_truth_and_another_result_stand_beside(world: ReportWorld, tmp_path: Path) -> None:
    other = tmp_path / "theirs"
    shutil.copytree(world.labels, other)
    report = read(world, reference=world.labels, against=other)
    assert [(layer.kind, layer.name) for layer in report.layers] == [
        ("result", "out"),
        ("other", "theirs"),
        ("truth", "truth"),
    ]
    assert report.result.outcomes == ("match", "false alarm")
    assert report.layers[1].outcomes == ("match", "match")
    assert report.truth is not None
    assert report.truth.outcomes == ("match", "miss")


def test_a_clip_without_labels_has_no_outcomes(world: ReportWorld) -> None:
    shutil.copy(world.out / "talk.json", world.out / "walk.json")
    talk, walk = ReportSources(world.out, world.labels).read_clips()
    assert talk.truth is not None
    assert walk.truth is None
    assert walk.result.outcomes == ()


def test_what_is_not_there_is_said(world: ReportWorld) -> None:
    for folder in ("posteriors", "detections"):
        shutil.rmtree(world.out / folder)
    world.recording.unlink()
    missing = read(world).missing
    assert missing.keys() == {"recording", "posteriors", "detections"}
    assert "--recordings FOLDER" in missing["recording"]
    assert "--report keeps them" in missing["posteriors"]


def test_a_recording_that_moved_is_found_where_it_is_said_to_be(world: ReportWorld, tmp_path: Path) -> None:
    moved = tmp_path / "moved" / "talk.mp4"
    moved.parent.mkdir()
    world.recording.rename(moved)
    (report,) = ReportSources(world.out, recordings=(str(moved.parent),)).read_clips()
    assert report.clip is not None
    assert report.clip.path == moved


def test_a_recording_that_changed_is_not_shown(world: ReportWorld) -> None:
    film(world.recording, 4.0)
    assert read(world).clip is None
    assert read(world).missing["recording"] == "talk.mp4 is not the recording that was heard: it has changed."


def test_results_of_other_programs_and_of_fuse_have_no_manifest(world: ReportWorld) -> None:
    (world.out / "manifest.jsonl").unlink()
    assert "Nothing says where the recording is" in read(world).missing["recording"]


def test_changes_and_other_files_are_no_clips(world: ReportWorld) -> None:
    for name in ("talk.changes.csv", "talk.events.csv"):
        (world.out / name).write_text("a,b\n")
    (world.out / "notes.json").write_text("{}")
    assert find_results(world.out) == {"talk": world.out / "talk.json"}


def test_what_cannot_be_read_is_an_error_that_helps(world: ReportWorld, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a folder that `seldfuse run`"):
        list(ReportSources(tmp_path / "none").read_clips())
    with pytest.raises(UsageError, match="found none"):
        list(ReportSources(tmp_path / "in").read_clips())
    (world.labels / "talk.csv").rename(world.labels / "walk.csv")
    with pytest.raises(UsageError, match=r"names like talk.csv, got names like walk.csv"):
        list(ReportSources(world.out, world.labels).read_clips())
    (world.out / "talk.json").write_text('{"format": "seldfuse-events", "labels": []}')
    with pytest.raises(UsageError, match="expected a whole JSON file"):
        list(ReportSources(world.out).read_clips())


def test_classes_of_other_label_sets_are_matched_by_name_and_kept_where_they_are_others(tmp_path: Path) -> None:
    own = LabelSet("mine", (Label("knock", "Knock"), Label("ping", "Ping")))
    world = make_world(tmp_path, labels=own)
    (world.out / "talk.csv").unlink()
    knock, bell = DCASE2025.index("knock"), DCASE2025.index("bell")
    rows = [f"{frame},{cls},0,30,200,1" for frame in range(10, 20) for cls in (knock, bell)]
    (world.labels / "talk.csv").write_text("frame,class,source,azimuth,distance,onscreen\n" + "\n".join(rows) + "\n")
    (report,) = ReportSources(world.out, world.labels).read_clips()
    assert report.labels[:2] == ("knock", "ping")
    assert report.truth is not None
    assert set(report.truth.events["class"]) == {"knock", "bell"}
    assert {report.labels[cls] for cls in report.truth.events["cls"]} == {"knock", "bell"}
    own_ids = "frame,class,source,azimuth,distance,onscreen\n" + "12,1,0,30,200,1\n"
    (world.labels / "talk.csv").write_text(own_ids)
    (report,) = ReportSources(world.out, world.labels, numbering=own).read_clips()
    assert report.truth is not None
    assert report.truth.events["class"].tolist() == ["ping"]


def test_a_result_in_memory_is_shown_like_its_files(world: ReportWorld) -> None:
    from_files, result = read(world), make_result("talk")
    report = report_result(replace(result, clip=find_clip(world)))
    for name, values in from_files.result.events.items():
        assert report.result.events[name].tolist() == values.tolist()
    assert np.array_equal(report.result.paths.azimuth_deg, from_files.result.paths.azimuth_deg)
    assert report.posteriors is result.members
    assert "recording" in report_result(replace(result, notes=())).missing
    assert report.result.events["cls"].tolist() == [0, BELL]
