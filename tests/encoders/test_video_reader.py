"""Pictures on their way to a network: cameras, encoders, what is kept, what is missing."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import FPS, film

from seldfuse.catalogue.values import Encoder
from seldfuse.core.clip import Clip
from seldfuse.core.geometry import Camera, column_azimuths_deg
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.encoders.compact_image import CompactImage
from seldfuse.encoders.deduplicate import STILL_LEVELS, encode_distinct, find_distinct
from seldfuse.encoders.load import LoadedEncoder
from seldfuse.encoders.resize import resize_to_encoder
from seldfuse.encoders.token_cache import TokenCache
from seldfuse.encoders.video_reader import VideoTokenReader
from seldfuse.errors import MediaError, PluginError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.inference.clips import NO_PICTURE, LoadedBackends, infer_clips
from seldfuse.media.encode import write_video
from seldfuse.media.inputs import find_clips
from seldfuse.synth.bank import SceneBank, SceneSupply
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.pictures.background import BackgroundSet
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.sounds.procedural import build_procedural_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

CPU = torch.device("cpu")


class Brightness:
    """The mean level of each of four columns, five times a second."""

    name, version = "brightness", "1"
    height_px, width_px, rate_hz, tokens, channels = 8, 16, 5, 4, 1

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        self.calls += len(pictures)
        return pictures.float().mean(dim=(1, 2)).unflatten(-1, (4, 4)).mean(-1, keepdim=True)


BRIGHTNESS = Encoder(name="brightness", api_version=2, summary="levels", load="nowhere:load", input="pictures")


def sight(
    path: Path, kept: TokenCache | None = None, flipped: bool = False
) -> tuple[VideoTokenReader, Brightness, list[str]]:
    (clip,) = find_clips([path])
    encoder, notes = Brightness(), list[str]()
    return VideoTokenReader(clip.video, clip.camera, path, encoder, kept, notes.append, flipped), encoder, notes


@pytest.mark.parametrize("fov_deg", [60.0, 100.0, 130.0])
@pytest.mark.parametrize("azimuth_deg", [-25.0, 0.0, 12.0])
def test_a_column_means_one_azimuth_whatever_the_camera(fov_deg: float, azimuth_deg: float) -> None:
    camera = Camera(640, 360, fov_deg)
    rgb = np.zeros((360, 640, 3), np.uint8)
    column = round(float(camera.x_from_azimuth(azimuth_deg)))
    rgb[:, column - 4 : column + 5] = 255
    seen = resize_to_encoder(rgb, camera, 126, 224).float().mean(dim=(0, 1))
    centre = float((seen * torch.arange(224)).sum() / seen.sum()) + 0.5
    assert float(Camera(224, 126).azimuth_from_x(centre)) == pytest.approx(azimuth_deg, abs=0.6)


def test_a_narrow_camera_leaves_the_sides_black_and_a_portrait_loses_its_top() -> None:
    white = np.full((360, 640, 3), 255, np.uint8)
    narrow = resize_to_encoder(white, Camera(640, 360, 50.0), 126, 224)
    assert narrow[:, 63, 0].eq(0).all()
    assert narrow[:, 63, 112].eq(255).all()
    portrait = resize_to_encoder(np.full((640, 360, 3), 255, np.uint8), Camera(360, 640), 126, 224)
    assert portrait.shape == (3, 126, 224)
    assert portrait.eq(255).all()


def test_columns_go_from_left_to_right() -> None:
    azimuths = column_azimuths_deg(14)
    assert azimuths == sorted(azimuths, reverse=True)
    assert azimuths[0] == pytest.approx(-azimuths[-1])
    assert 44.0 < azimuths[0] < 50.0


class Broken(Brightness):
    def encode(self, _pictures: torch.Tensor) -> torch.Tensor:
        raise ValueError("no")


class Narrow(Brightness):
    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        return super().encode(pictures)[:, :2]


def test_an_encoder_that_breaks_its_promise_is_named() -> None:
    pictures = torch.zeros(1, 3, 8, 16, dtype=torch.uint8)
    with pytest.raises(PluginError, match=r"the encoder brightness failed \(ValueError: no\)"):
        encode_distinct(pictures, Broken())
    with pytest.raises(PluginError, match=r"must give \(picture, token, channel\) of \(1, 4, 1\), as it states, gave "):
        encode_distinct(pictures, Narrow())


def test_what_moves_is_encoded_anew_and_what_stands_still_is_not() -> None:
    still = torch.full((6, 3, 28, 28), 100, dtype=torch.uint8)
    noisy = still + torch.randint(0, 3, still.shape, dtype=torch.uint8)
    assert find_distinct(noisy, STILL_LEVELS)[0].tolist() == [0]
    moving = still.clone()
    for number in range(6):
        moving[number, :, 10:14, 4 * number : 4 * number + 4] = 250
    chosen, places = find_distinct(moving, STILL_LEVELS)
    assert chosen.tolist() == places.tolist() == list(range(6))
    back = torch.stack([still[0], moving[3], still[0]])
    assert find_distinct(back, STILL_LEVELS)[1].tolist() == [0, 1, 2]


def test_thrift_costs_the_compact_encoder_less_than_a_tenth_of_what_people_change() -> None:
    # What is left out changes a patch by less than two levels; a person is worth tens of them.
    rng = np.random.default_rng(1)
    base = torch.from_numpy(rng.integers(0, 256, (3, 9, 16)).astype(np.float32))
    base = torch.nn.functional.interpolate(base[None], (126, 224), mode="bilinear")[0]
    pictures = torch.stack([base + torch.from_numpy(rng.normal(0, 1, base.shape)) for _ in range(4)]).clamp(0, 255)
    pictures = pictures.to(torch.uint8)
    person = pictures.clone()
    person[:, :, 30:110, 90:120] = 30
    encoder = CompactImage(CPU)
    assert len(find_distinct(pictures, STILL_LEVELS)[0]) == 1
    error = (encode_distinct(pictures, encoder) - encoder.encode(pictures)).abs().mean()
    change = (encoder.encode(person) - encoder.encode(pictures)).abs()[:, 5:8].mean()
    assert error < 0.1 * change


def test_a_picture_of_the_compact_encoder_knows_left_from_right() -> None:
    rng = np.random.default_rng(2)
    picture = torch.from_numpy(rng.integers(100, 156, (1, 3, 126, 224)).astype(np.uint8))
    changed = picture.clone()
    changed[..., 30:110, 10:40] = 250
    difference = (CompactImage(CPU).encode(changed) - CompactImage(CPU).encode(picture)).abs().mean(dim=(0, 2))
    assert int(difference.argmax()) in (0, 1, 2)
    assert difference[:3].mean() > 3 * difference[-3:].mean()


@pytest.mark.parametrize("fps", [Fraction(5), Fraction(30000, 1001), Fraction(60)])
def test_the_grid_of_frames_is_that_of_the_sound(fps: Fraction, tmp_path: Path) -> None:
    seen, encoder, notes = sight(film(tmp_path / "film.mp4", 7.0, fps=fps))
    tokens = seen.read_window(20, 50)
    assert tokens.shape == (50, 4, 1)
    level = tokens[:, 0, 0] / 10 - 1
    # At 0.2 s a second's beginning may come a frame late.
    assert (level[5::10] - torch.arange(2.0, 7.0)).abs().max() < 0.3
    assert notes == []
    # Each second is one picture, but that the fifth may end behind the piece.
    assert encoder.calls in (7, 8)


def test_behind_the_end_of_the_picture_there_is_nothing_and_it_is_said(tmp_path: Path) -> None:
    path = film(tmp_path / "short.mp4", 2.0, sound_s=7.0)
    seen, _, notes = sight(path)
    tokens = seen.read_window(0, 50)
    assert tokens[:20].isfinite().all()
    assert tokens[20:].isnan().all()
    assert seen.read_window(20, 50).isnan().all()
    assert seen.end_s == pytest.approx(2.0, abs=0.2)
    assert notes == []


def test_flipped_sees_the_other_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = np.zeros((36, 64, 3), np.uint8)
    picture[:, :16] = 200
    path = tmp_path / "left.mp4"
    write_video(path, [picture] * 25, FPS, (0.1 * rng.standard_normal((2, 24_000))).astype(np.float32))
    plain, flipped = (sight(path, flipped=side)[0].read_window(0, 10)[0, :, 0] for side in (False, True))
    assert plain[0] > 150 > 50 > plain[3]
    assert torch.allclose(flipped, plain.flip(0), atol=3)


def test_what_was_seen_once_is_not_encoded_again(tmp_path: Path) -> None:
    path, kept = film(tmp_path / "film.mp4", 5.0), TokenCache(tmp_path / "kept")
    first, one, _ = sight(path, kept)
    again, two, _ = sight(path, kept)
    other, three, _ = sight(film(tmp_path / "other.mp4", 4.0), kept)
    assert torch.allclose(first.read_window(0, 50), again.read_window(0, 50), atol=0.1)
    other.read_window(0, 50)
    assert one.calls > 0
    assert two.calls == 0
    assert three.calls > 0


def test_the_folder_of_embeddings_stays_within_its_limit_and_keeps_what_was_asked_for_last(tmp_path: Path) -> None:
    kept = TokenCache(tmp_path, limit_bytes=20_000)
    for number in range(12):
        kept.add(str(number), torch.full((1000,), float(number)))
        assert kept.get("0", (1000,)) is not None
    kept.tidy()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) <= 20_000
    assert kept.get("0", (1000,)) is not None
    assert kept.get("1", (1000,)) is None
    assert torch.equal(kept.get("11", (1000,)), torch.full((1000,), 11.0))


def test_two_may_write_the_same_embedding_at_once(tmp_path: Path) -> None:
    several = [TokenCache(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            list(pool.map(lambda kept: kept.add("a", torch.ones(20_000)), several))
            assert torch.equal(several[0].get("a", (20_000,)), torch.ones(20_000))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".safetensors"] == []


def test_damaged_and_unwritable_embeddings_are_computed_anew(tmp_path: Path) -> None:
    kept = TokenCache(tmp_path / "kept")
    kept.add("a", torch.ones(3))
    (path,) = (tmp_path / "kept").rglob("*.safetensors")
    path.write_bytes(b"cut short")
    assert kept.get("a", (3,)) is None
    (tmp_path / "file").write_text("no folder")
    blocked = TokenCache(tmp_path / "file")
    blocked.add("a", torch.ones(3))
    assert blocked.get("a", (3,)) is None


def test_a_bank_of_scenes_keeps_what_is_seen_of_them_plain_and_flipped(tmp_path: Path, here_and_now: None) -> None:
    sounds = build_procedural_bank(DCASE2025, held_out=False, count=1)
    stage = SceneIngredients(
        sounds, SceneStatistics.load(), 0.5, cutouts=CutoutSet(DCASE2025), backgrounds=BackgroundSet()
    )
    kept = SceneSupply(stage, ("logmel",), 3, tmp_path / "bank", ("compact-image",))
    first, again = kept.load_chunk(1), replace(kept).load_chunk(1)
    seen = first.embeddings["compact-image"]
    assert seen.plain.shape == seen.flipped.shape == (8, 25, 14, 64)
    assert torch.equal(seen.plain, again.embeddings["compact-image"].plain)
    # What is on the left of one is on the right of the other.
    alike = (seen.plain.flip(2) - seen.flipped).abs().mean()
    assert alike < 0.8 * (seen.plain - seen.flipped).abs().mean()
    assert "compact-image" in json.loads((tmp_path / "bank" / "bank.json").read_text())["encoders"]
    # Who takes fewer encoders reads the same scenes, without their tokens.
    assert replace(kept, encoders=()).load_chunk(1).embeddings == {}
    with pytest.raises(UsageError, match="scenes from other sounds"):
        replace(kept, encoders=("people-and-things",))
    bank = SceneBank(kept, pool_size=8, uses_per_scene=1, workers=1)
    drawn = bank.draw(4)
    bank.close()
    assert drawn.embeddings["compact-image"].plain.shape == (4, 25, 14, 64)
    assert drawn.truth.onscreen is not None


class Watcher:
    """A backend that keeps what it is shown."""

    features = ()
    encoders = {"brightness": "1"}  # noqa: RUF012

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def infer(self, batch) -> Posterior:
        self.seen.append(batch["brightness"])
        return Posterior(torch.zeros(len(batch), batch.frames, 13, 1), labels=DCASE2025)


def hear(path: Path) -> tuple[Watcher, tuple[str, ...]]:
    watcher = Watcher()
    encoders = {"brightness": LoadedEncoder(BRIGHTNESS, Brightness())}
    ears = LoadedBackends({"one": watcher, "two": Watcher()}, (), CPU, encoders)

    def fail(_clip: Clip, error: Exception) -> None:
        raise error

    (heard,) = infer_clips(find_clips([path]), ears, RunStats(), fail)
    return watcher, heard.notes


def test_backends_without_a_picture_hear_and_say_so(tmp_path: Path) -> None:
    from seldfuse.media.encode import write_wav

    rng = np.random.default_rng(0)
    write_wav(tmp_path / "sound.wav", (0.1 * rng.standard_normal((2, 60_000))).astype(np.float32))
    watcher, notes = hear(tmp_path / "sound.wav")
    assert watcher.seen[0].isnan().all()
    assert NO_PICTURE in notes


def test_a_picture_shorter_than_its_sound_is_told(tmp_path: Path) -> None:
    watcher, notes = hear(film(tmp_path / "short.mp4", 3.0, sound_s=9.0))
    assert watcher.seen[0].shape == (2, 50, 4, 1)
    assert any("the picture ends at 3.0 s" in note for note in notes)
    _, notes = hear(film(tmp_path / "whole.mp4", 6.0))
    assert not any("picture" in note for note in notes)


def test_a_picture_that_cannot_be_decoded_leaves_the_sound(tmp_path: Path) -> None:
    class Broken:
        path = None

        def frames(self, rate_hz: float = 10.0, start_s: float = 0.0, end_s: float | None = None):  # noqa: ARG002
            raise MediaError("the packets are damaged")
            yield

    notes: list[str] = []
    seen = VideoTokenReader(Broken(), Camera(), None, Brightness(), None, notes.append)
    assert seen.read_window(0, 50).isnan().all()
    assert any("damaged" in note for note in notes)


def test_the_compact_tagger_hears_kinds_of_sound_and_no_sides() -> None:
    rng = np.random.default_rng(0)
    time_s = np.arange(120_000) / 24_000
    tone = np.sin(2 * np.pi * 700 * time_s) * (time_s > 2.5)
    left = (0.2 * tone + 0.01 * rng.standard_normal(120_000)).astype(np.float32)
    right = (0.05 * tone + 0.01 * rng.standard_normal(120_000)).astype(np.float32)
    pair = torch.from_numpy(np.stack([left, right]))[None]
    tokens = make_batch(pair)["compact-audio"]
    assert tokens.shape == (1, 50, 1, 64)
    assert torch.allclose(tokens, make_batch(pair.flip(1))["compact-audio"], atol=1e-4)
    quiet, loud = tokens[0, 5:15, 0].mean(0), tokens[0, 35:45, 0].mean(0)
    assert torch.nn.functional.cosine_similarity(quiet, loud, dim=0) < 0.8
