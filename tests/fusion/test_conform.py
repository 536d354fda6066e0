"""Members of other classes, other frames, other clips: brought together, or refused by name."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import THREE, call, noise, save_random

import seldfuse
from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth
from seldfuse.core.labels import DCASE2025, Label, LabelSet, match_classes
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings, fuse_posteriors
from seldfuse.fusion.conform import TargetGrid, compute_overlaps, conform_members, resample
from seldfuse.inference.member_folders import open_members
from seldfuse.media.encode import write_wav
from seldfuse.pipeline import fuse

LABELS = LabelSet("three", (Label("cat", "Cat"), Label("dog", "Dog", ("hound",)), Label("hen", "Hen")))
MEAN = FusionSettings()
HEADER = "frame,class,source,azimuth,distance,onscreen\n"


def labels(*names: str, name: str = "theirs") -> LabelSet:
    return LabelSet(name, tuple(Label(word, word.title()) for word in names))


def beliefs(seed: int, tracks: int = 2, frames: int = 6, of: LabelSet = LABELS, hop_s: float = 0.1) -> Posterior:
    g = torch.Generator().manual_seed(seed)
    shape = (1, frames, len(of), tracks)
    return Posterior(
        torch.rand(shape, generator=g),
        direction_from_azimuth(180 * torch.rand(shape, generator=g) - 90),
        0.3 + 5 * torch.rand(shape, generator=g),
        0.01 + 0.98 * torch.rand(shape, generator=g),
        labels=of,
        hop_s=hop_s,
    )


def chosen(posterior: Posterior, *names: str) -> Posterior:
    """The posterior of a system that knows these classes, in this order."""
    of = posterior.labels
    columns = [of.index(name) for name in names]
    values = {field: value[:, :, columns] for field, value in posterior.tensors().items()}
    return replace(posterior, **values, labels=LabelSet("some", tuple(of.classes[column] for column in columns)))


def fitted(posterior: Posterior, grid: TargetGrid) -> Posterior:
    return conform_members({"it": posterior}, grid)[0]["it"]


def assert_equal(one: Posterior, other: Posterior, atol: float = 0.0) -> None:
    assert one.provides == other.provides
    for name, value in one.tensors().items():
        torch.testing.assert_close(value, other.tensors()[name], rtol=atol, atol=atol, equal_nan=True, msg=name)


def said(error: pytest.ExceptionInfo[UsageError]) -> str:
    return str(error.value)


# --- classes --------------------------------------------------------------------------------------------------------


def test_what_fits_comes_back_as_it_is() -> None:
    members = {"a": beliefs(0), "b": beliefs(1).map(torch.Tensor.half)}
    found, notes = conform_members(members, TargetGrid.from_members(list(members.values())))
    assert all(found[name] is members[name] for name in members)
    assert notes == ()
    assert conform_members({}, TargetGrid(LABELS, 0.1)) == ({}, ())


def test_another_order_of_classes_fuses_to_the_same() -> None:
    one, other = beliefs(0), beliefs(1)
    found, notes = conform_members(
        {"one": one, "other": chosen(other, "hen", "cat", "dog")}, TargetGrid.from_members([one])
    )
    assert notes == ()
    assert_equal(fuse_posteriors(found, MEAN), fuse_posteriors({"one": one, "other": other}, MEAN))


@pytest.mark.parametrize("tracks", [1, 2, 3])
def test_a_member_leaves_the_classes_that_it_lacks_to_the_others_exactly(tracks: int) -> None:
    """Also where it has the most tracks, so that the others' would be matched to its own."""
    one, other, narrow = beliefs(0), beliefs(1), beliefs(2, tracks)
    members = {"one": one, "other": other, "narrow": chosen(narrow, "dog")}
    fused = fuse_posteriors(conform_members(members, TargetGrid.from_members([one]))[0], MEAN)
    without, whole = (
        fuse_posteriors({"one": one, "other": other}, MEAN),
        fuse_posteriors({"one": one, "other": other, "narrow": narrow}, MEAN),
    )
    lacking, shared = [0, 2], [1]
    for name, value in fused.tensors().items():
        assert value[:, :, lacking, :2].equal(without.tensors()[name][:, :, lacking]), name
        expected = whole.tensors()[name][:, :, shared]
        torch.testing.assert_close(value[:, :, shared], expected, rtol=0, atol=0, equal_nan=True)
    assert (fused.activity[:, :, lacking, 2:] == 0).all()


def test_a_class_that_nobody_knows_is_silent() -> None:
    one = fitted(chosen(beliefs(0), "cat", "dog"), TargetGrid(LABELS, 0.1))
    assert one.activity[:, :, 2].isnan().all()
    fused = fuse_posteriors({"one": one, "other": one}, MEAN)
    assert (fused.activity[:, :, 2] == 0).all()
    assert fused.direction is not None
    assert fused.direction[:, :, 2].isnan().all()
    assert fused.activity[:, :, :2].equal(one.activity[:, :, :2])


def test_classes_are_the_same_by_name_title_or_alias_and_stand_for_one_only() -> None:
    theirs = LabelSet("theirs", (Label("hound", "Barking"), Label("x", "HEN"), Label("cow", "Cow")))
    assert match_classes(LABELS, theirs) == (None, 0, 1)
    # A name of its own goes before an alias of another.
    both = LabelSet("both", (Label("hound", "Barking"), Label("dog", "A dog")))
    assert match_classes(both, LABELS) == (None, 1)


@pytest.mark.parametrize(
    ("more", "note"),
    [
        (["cow"], "it also tells of cow, no class of three: left out"),
        (list("abcdef"), "it also tells of a, b, c, d, e and 1 more, no class of three: left out"),
    ],
)
def test_classes_that_the_result_lacks_are_left_out_with_a_note(more: list[str], note: str) -> None:
    wide = beliefs(0, of=labels("cat", *more, "dog", "hen"))
    found, notes = conform_members({"it": wide}, TargetGrid(LABELS, 0.1))
    assert notes == (note,)
    assert_equal(replace(found["it"], labels=LABELS), replace(chosen(wide, "cat", "dog", "hen"), labels=LABELS))


def test_no_class_in_common_is_refused_with_both_sets() -> None:
    with pytest.raises(UsageError) as caught:
        conform_members({"doa": beliefs(0), "it": beliefs(1, of=labels("a", "b", "c"))}, TargetGrid(LABELS, 0.1))
    assert said(caught) == (
        "it has no class of three: it has a, b, c (theirs), three has cat, dog, hen; "
        "--labels names the classes of the result"
    )


def test_the_first_sets_the_classes_and_frames_are_the_challenges() -> None:
    fine, coarse, usual = (beliefs(0, hop_s=hop_s) for hop_s in (0.02, 1.0, 0.1))
    assert TargetGrid.from_members([fine, coarse, usual]) == TargetGrid(LABELS, 0.1)
    assert TargetGrid.from_members([fine, coarse]) == TargetGrid(LABELS, 0.1)
    assert TargetGrid.from_members([replace(coarse, labels=labels("a", "b", "c")), fine]) == TargetGrid(
        labels("a", "b", "c"), 0.1
    )


# --- frames ---------------------------------------------------------------------------------------------------------


def slow_resampled(posterior: Posterior, frames: int, hop_s: float) -> dict[str, np.ndarray]:
    """One track, frame by frame: sums over every old frame of what the two have in common."""
    old = {name: value[0].double().numpy() for name, value in posterior.tensors().items()}
    new = {name: np.full((frames, *value.shape[1:]), np.nan) for name, value in old.items()}
    for n, cls in np.ndindex(frames, old["activity"].shape[1]):
        shared_s = [
            max(0.0, min((n + 1) * hop_s, (m + 1) * posterior.hop_s) - max(n * hop_s, m * posterior.hop_s))
            for m in range(posterior.frames)
        ]
        weight = np.array([s if s > 1e-9 else 0.0 for s in shared_s])
        if weight.sum() == 0:
            continue
        loud = weight * old["activity"][:, cls, 0]
        new["activity"][n, cls, 0] = loud.sum() / weight.sum()
        vector = (loud[:, None] * old["direction"][:, cls, 0]).sum(0)
        new["direction"][n, cls, 0] = vector / np.linalg.norm(vector)
        new["distance"][n, cls, 0] = math.exp((loud * np.log(old["distance"][:, cls, 0])).sum() / loud.sum())
        seen = old["onscreen"][:, cls, 0]
        new["onscreen"][n, cls, 0] = 1 / (1 + math.exp(-(loud * np.log(seen / (1 - seen))).sum() / loud.sum()))
    return new


@pytest.mark.parametrize(
    ("old_hop_s", "old_frames", "hop_s", "frames"),
    [
        (0.02, 25, 0.1, 5),
        (0.05, 13, 0.1, 7),
        (0.08, 25, 0.1, 20),
        (512 / 24_000, 50, 0.1, 11),
        (0.2, 4, 0.1, 8),
        (1.0, 2, 0.1, 20),
        (1.0, 2, 0.3, 9),
    ],
)
def test_frames_of_another_length_agree_with_the_slow_twin(
    old_hop_s: float, old_frames: int, hop_s: float, frames: int
) -> None:
    posterior = beliefs(0, tracks=1, frames=old_frames, hop_s=old_hop_s)
    found = resample(posterior, frames, hop_s)
    assert found.hop_s == hop_s
    for name, expected in slow_resampled(posterior, frames, hop_s).items():
        np.testing.assert_allclose(found.tensors()[name][0].numpy(), expected, atol=2e-5, rtol=2e-5, err_msg=name)


@pytest.mark.parametrize("factor", [2, 3, 10])
def test_frames_that_are_held_average_back_to_what_they_were(factor: int) -> None:
    posterior = beliefs(0)
    held = resample(posterior, 6 * factor, 0.1 / factor)
    assert held.activity.equal(posterior.activity.repeat_interleave(factor, 1))
    assert_equal(resample(held, 6, 0.1), posterior, atol=1e-5)


@given(st.integers(1, 400), st.floats(0.004, 1.5), st.floats(0.004, 1.5))
@settings(max_examples=60, deadline=None)
def test_time_is_kept(old_frames: int, old_hop_s: float, hop_s: float) -> None:
    """Every new frame that is heard at all is shared out fully, but the last; the whole lasts as long as before."""
    frames = math.ceil(old_frames * old_hop_s / hop_s - 1e-6)
    index, share = compute_overlaps(old_frames, old_hop_s, frames, hop_s)
    assert index.min() >= 0
    assert index.max() < old_frames
    total = share.sum(1)
    assert torch.allclose(total[:-1], torch.ones(frames - 1), atol=1e-4)
    assert total.sum().item() * hop_s == pytest.approx(old_frames * old_hop_s, rel=1e-3, abs=1e-3 * hop_s)


def test_sources_that_change_tracks_within_a_frame_are_not_mixed() -> None:
    azimuth_deg = torch.tensor([[40.0, -40.0], [-40.0, 40.0]])[None, :, None]
    distance = torch.tensor([[1.0, 3.0], [3.0, 1.0]])[None, :, None]
    activity = torch.tensor([[0.9, 0.8], [0.8, 0.9]])[None, :, None]
    swapped = Posterior(activity, direction_from_azimuth(azimuth_deg), distance, labels=labels("cat"), hop_s=0.05)
    found = fitted(swapped, TargetGrid(swapped.labels, 0.1))
    assert found.activity.flatten().tolist() == pytest.approx([0.9, 0.8])
    assert azimuth_from_direction(found.direction).flatten().tolist() == pytest.approx([40.0, -40.0])
    assert found.distance.flatten().tolist() == pytest.approx([1.0, 3.0])


def test_what_some_old_frames_do_not_know_comes_from_the_others() -> None:
    activity = torch.tensor([0.2, torch.nan, 0.6, 0.6, torch.nan, torch.nan]).reshape(1, 6, 1, 1)
    distance = torch.tensor([2.0, 9.0, torch.nan, 4.0, 5.0, 5.0]).reshape(1, 6, 1, 1)
    posterior = Posterior(activity, distance=distance, labels=labels("cat"), hop_s=0.05)
    found = fitted(posterior, TargetGrid(posterior.labels, 0.1))
    torch.testing.assert_close(found.activity.flatten(), torch.tensor([0.2, 0.6, torch.nan]), equal_nan=True)
    torch.testing.assert_close(found.distance.flatten(), torch.tensor([2.0, 4.0, torch.nan]), equal_nan=True)


def test_a_member_with_frames_of_a_second_abstains_beyond_its_end() -> None:
    usual, coarse = beliefs(0, frames=27), beliefs(1, frames=2, hop_s=1.0)
    members = {"usual": usual, "coarse": coarse}
    fused = fuse_posteriors(conform_members(members, TargetGrid.from_members(list(members.values())))[0], MEAN)
    assert fused.activity.shape == usual.activity.shape
    alone = fuse_posteriors({"usual": usual}, MEAN)
    assert fused.activity[:, 20:].equal(alone.activity[:, 20:])
    assert not fused.activity[:, :20].isclose(alone.activity[:, :20]).all()


def test_frames_are_as_many_as_the_member_has_that_fits() -> None:
    members = {"fine": beliefs(0, frames=252, hop_s=0.02), "usual": beliefs(1, frames=51)}
    found, _ = conform_members(members, TargetGrid.from_members(list(members.values())))
    assert {name: member.frames for name, member in found.items()} == {"fine": 51, "usual": 51}
    assert found["usual"] is members["usual"]
    assert fitted(beliefs(0, frames=252, hop_s=0.02), TargetGrid(LABELS, 0.1)).frames == 51


WRONG = {
    "fine has 300 frames of 0.02 s and usual 51 of 0.1 s; were they computed from the same clips?": (
        beliefs(0, frames=300, hop_s=0.02)
    ),
    "fine has 3 frames of 1 s and usual 51 of 0.1 s; were they computed from the same clips?": (
        beliefs(0, frames=3, hop_s=1.0)
    ),
    "fine has no frames": beliefs(0, frames=0),
    "fine has 7 tracks; at most 6 can be matched": beliefs(0, tracks=7),
    "fine must have a frame every so many seconds, more than 0, got 0": beliefs(0, hop_s=0.0),
    "fine must have a frame every so many seconds, more than 0, got nan": beliefs(0, hop_s=math.nan),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_aligned_is_refused_by_name(message: str) -> None:
    with pytest.raises(UsageError) as caught:
        conform_members({"fine": WRONG[message], "usual": beliefs(1, frames=51)}, TargetGrid(LABELS, 0.1))
    assert said(caught) == message


# --- folders --------------------------------------------------------------------------------------------------------


def save(root: Path, **members: dict[str, Posterior | str]) -> list[Path]:
    """A folder for each member: posteriors as files, texts as the rows of a table."""
    for member, clips in members.items():
        for clip, found in clips.items():
            path = root / member / clip
            if isinstance(found, Posterior):
                found.save(path.with_suffix(".safetensors"))
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_suffix(".csv").write_text(HEADER + found)
    return [root / member for member in members]


def heard(folders: list[Path]):
    return {heard.name: heard for heard in open_members(folders).read_clips()}


def dcase(seed: int, frames: int = 50, **more: float) -> Posterior:
    return beliefs(seed, frames=frames, of=DCASE2025, **more)


def test_the_grid_is_the_same_for_all_clips_whoever_has_them(tmp_path: Path) -> None:
    few = chosen(beliefs(1), "dog", "cat")
    folders = save(tmp_path, first={"a": beliefs(0)}, second={"a": few, "b": replace(few, hop_s=0.05)})
    clips = heard(folders)
    for clip in clips.values():
        for posterior in clip.posteriors.values():
            assert (posterior.labels.names, posterior.hop_s) == (LABELS.names, 0.1)
    assert clips["a"].posteriors["second"].activity[:, :, 0].equal(few.activity[:, :, 1])
    assert (clips["b"].posteriors["second"].frames, clips["b"].duration_s) == (3, pytest.approx(0.3))


def test_one_nan_clip_leaves_the_others_result(tmp_path: Path) -> None:
    one, other, mute = beliefs(0), beliefs(1), beliefs(2, 3, frames=2).map(lambda value: value * torch.nan)
    folders = save(tmp_path, one={"a": one, "b": one}, other={"a": other, "b": other}, third={"a": mute, "b": one})
    result, _ = fuse(folders)
    assert_equal(result.posterior, fuse_posteriors({"one": one, "other": other}, MEAN))
    assert result.notes == ("third says nothing but NaN, and abstains",)


def test_a_clip_of_which_all_say_nothing_is_silent(tmp_path: Path) -> None:
    mute = beliefs(0).map(lambda value: value * torch.nan)
    (result,) = fuse(save(tmp_path, one={"a": mute}, two={"a": mute}))
    assert result.posterior.provides == ("activity",)
    assert (result.posterior.activity == 0).all()
    assert len(result.notes) == 2


def test_a_missing_clip_is_fused_from_the_others_even_where_the_absent_has_weights(tmp_path: Path) -> None:
    one, two = beliefs(0), beliefs(1)
    folders = save(tmp_path, one={"a": one, "b": one}, two={"a": two, "b": two}, three={"a": two})
    settings = FusionSettings(weights={"three": {"direction": 3.0}, "one": {"direction": 0.0}, "two": {"direction": 0}})
    result = list(fuse(folders, settings))[1]
    assert_equal(result.posterior, fuse_posteriors({"one": one, "two": two}, MEAN))
    assert result.notes == ("b is missing from three, which abstain",)


def test_clips_that_are_missing_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = save(tmp_path, one={name: dcase(0, 3) for name in "abcd"}, two={"a": dcase(1, 3)})
    assert call("fuse", *map(str, folders), "-o", str(tmp_path / "out"), "--formats", "json") == 0
    assert "note: missing from two, which abstain (3 clips)\n" in capsys.readouterr().err


def test_members_without_a_clip_in_common_are_refused(tmp_path: Path) -> None:
    mine, theirs = {name: beliefs(0) for name in "abcd"}, {"deep/e": beliefs(1)}
    with pytest.raises(UsageError) as caught:
        open_members(save(tmp_path, mine=mine, theirs=theirs))
    assert said(caught) == (
        "mine has no clip in common with the others: it has a, b, c, …, they have deep/e; "
        "a clip's name is its file's path below the folder, without suffix"
    )


def test_posteriors_and_tables_are_fused_together(tmp_path: Path) -> None:
    """A table's length is that of the posteriors, in whatever frames they come."""
    loud = dcase(0, frames=150, hop_s=0.02)
    folders = save(tmp_path, posteriors={"a": loud, "b": loud}, votes={"a": "4,3,0,10,100,0\n", "b": ""})
    clips = heard(folders)
    for clip in clips.values():
        assert {name: member.frames for name, member in clip.posteriors.items()} == {"posteriors": 30, "votes": 30}
    assert clips["a"].posteriors["votes"].activity.nonzero().tolist() == [[0, 4, 3, 0]]
    a, _ = fuse(folders)
    expected = (resample(loud, 30, 0.1).activity[0, 4, 3].max() + 1) / 2
    assert a.posterior.activity[0, 4, 3].max() == pytest.approx(expected.item())


def test_votes_of_classes_that_the_posteriors_lack_are_left_out(tmp_path: Path) -> None:
    few = chosen(dcase(0), "bell", "telephone")
    clip = heard(save(tmp_path, few={"a": few}, votes={"a": "4,3,0,10,100,0\n4,5,0,10,100,0\n"}))["a"]
    assert clip.posteriors["votes"].activity.nonzero().tolist() == [[0, 4, 1, 0]]
    assert clip.notes == (
        "votes also tells of female_speech, male_speech, clapping, laughter, domestic_sounds and 6 more, "
        "no class of some: left out",
    )


def test_a_table_that_goes_beyond_the_posteriors_is_refused_by_name(tmp_path: Path) -> None:
    folders = save(tmp_path, posteriors={"a": dcase(0)}, votes={"a": "60,3,0,10,100,0\n"})
    with pytest.raises(UsageError) as caught:
        list(fuse(folders))
    assert said(caught) == "votes has 61 frames and posteriors 50; were they computed from the same clips?"


def test_a_clip_in_which_all_tables_are_empty_gets_an_empty_one(tmp_path: Path) -> None:
    folders = save(tmp_path, one={"a": "", "b": "0,3,0,10,100,0\n"}, two={"a": "", "b": ""})
    assert call("fuse", *map(str, folders), "-o", str(tmp_path / "out")) == 0
    assert (tmp_path / "out" / "a.csv").read_text() == HEADER


SLIPS = {
    "expected activity from 0 to 1, got -3": lambda p: replace(p, activity=p.activity - 3 - p.activity),
    "expected activity from 0 to 1, got inf": lambda p: replace(p, activity=p.activity + torch.inf),
    "expected unit vectors as direction, got one of length 0.7": (
        lambda p: replace(p, activity=0 * p.activity + 0.7, direction=0.7 * p.direction)
    ),
    "expected the posterior of one clip, got a batch of 2": lambda p: p.map(lambda value: torch.cat([value, value])),
}


@pytest.mark.parametrize("message", SLIPS)
def test_slips_of_other_systems_are_named_with_the_file(tmp_path: Path, message: str) -> None:
    (folder,) = save(tmp_path, it={"a": SLIPS[message](beliefs(0))})
    with pytest.raises(UsageError) as caught:
        heard([folder])
    assert said(caught) == f"{message}: {folder / 'a.safetensors'}"


def test_half_precision_has_no_slips(tmp_path: Path) -> None:
    folders = save(tmp_path, it={"a": beliefs(0).map(torch.Tensor.half)})
    assert list(heard(folders)) == ["a"]


# --- backends -------------------------------------------------------------------------------------------------------


def test_backends_of_other_label_sets_are_heard_together(tmp_path: Path) -> None:
    two = LabelSet("two", (*THREE.classes[2:], *THREE.classes[:1], Label("honk", "Honk")))
    backends = f"doa@{save_random(tmp_path / 'doa', 'doa', THREE)},sce@{save_random(tmp_path / 'sce', 'sce', two)}"
    write_wav(tmp_path / "a.wav", noise(1.0))
    (result,) = seldfuse.run(tmp_path / "a.wav", backends)
    doa, sce = result.members.values()
    assert (result.posterior.labels.names, sce.labels.names) == (THREE.names, two.names)
    assert result.posterior.activity[:, :, 1].equal(doa.activity[:, :, 1])
    expected = (doa.activity[:, :, 0] + sce.activity[:, :, 1]) / 2
    torch.testing.assert_close(result.posterior.activity[:, :, 0], expected)
    name = list(result.members)[1]
    assert result.notes == (f"{name} also tells of honk, no class of three: left out",)


def test_directions_to_the_rear_are_folded_before_they_are_merged() -> None:
    """170° and 10° are one direction to a stereo pair; their mean is no 90°."""
    shape = (1, 4, len(LABELS), 1)
    rear, front = (
        Posterior(torch.ones(shape), direction_from_azimuth(torch.full(shape, azimuth_deg)), labels=LABELS)
        for azimuth_deg in (170.0, 10.0)
    )
    fitted, _ = conform_members({"full": rear, "folded": front}, TargetGrid(LABELS, 0.1))
    assert fitted["folded"] is front
    fused = fuse_posteriors(fitted, MEAN)
    torch.testing.assert_close(azimuth_from_direction(fused.direction), torch.full(shape, 10.0))
