"""Tokens of sound on their way to a network: whose sound, at which rate, on which clock, kept where."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import save_models
from worlds import film, noise

from seldfuse.catalogue.values import Encoder
from seldfuse.core.clip import ArrayAudio, AudioSource, Clip
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.encoders.audio_reader import AudioTokenReader, encode_audio
from seldfuse.encoders.load import LoadedEncoder, load_encoder, parse_name
from seldfuse.encoders.models import AudioEncoderModel, AudioTokens
from seldfuse.encoders.token_cache import TokenCache
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.errors import CheckpointError, MediaError, PluginError
from seldfuse.inference.clips import NO_PICTURE, LoadedBackends, infer_clips
from seldfuse.inference.load import load_encoders
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.encode import write_wav
from seldfuse.media.inputs import find_clips
from seldfuse.media.sound import FileAudio
from seldfuse.synth.bank import SceneSupply
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.sounds.procedural import build_procedural_bank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.train.augment.channel_swap import swap_channels
from seldfuse.train.augment.drop_picture import drop_picture
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data.folder import FolderSource
from seldfuse.train.data.labelled_files import find_labelled_files
from seldfuse.train.data.source import ProcessShare
from seldfuse.train.data.window_tokens import WindowTokens

CPU = torch.device("cpu")


class Loudness:
    """The level of each 100 ms below and above 12 kHz, and of the whole window."""

    name, version = "loudness", "1"
    sample_rate_hz, whole_channels, channels = 48_000, 1, 2

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, audio: torch.Tensor) -> AudioTokens:
        self.calls += len(audio)
        power = torch.fft.rfft(audio.unflatten(1, (-1, 4_800)), norm="forward").abs().square()
        halves = torch.stack([power[..., :1_200].sum(-1), power[..., 1_200:].sum(-1)], dim=-1)
        return AudioTokens(audio.square().mean(dim=1, keepdim=True), 2 * halves)


LOUDNESS = Encoder(name="loudness", api_version=2, summary="levels", load="nowhere:load", input="audio")


def tone(seconds: float, start_s: float = 0.0, hz: float = 1_000.0, rate_hz: int = 48_000) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.tile(0.5 * np.sin(2 * np.pi * hz * time_s) * (time_s >= start_s), (2, 1)).astype(np.float32)


def saved(path: Path, samples: np.ndarray, rate_hz: int = 48_000) -> FileAudio:
    write_wav(path, samples, rate_hz)
    return FileAudio(path)


def hearing(audio: AudioSource, kept: TokenCache | None = None) -> tuple[AudioTokenReader, Loudness, list[str]]:
    encoder, notes = Loudness(), list[str]()
    return AudioTokenReader(audio, encoder, kept, notes.append), encoder, notes


# Windows


def test_tokens_are_on_the_clock_of_the_sound(tmp_path: Path) -> None:
    audio = saved(tmp_path / "tone.wav", tone(12.0, start_s=6.3))
    listener, encoder, notes = hearing(audio)
    assert isinstance(encoder, AudioEncoderModel)
    found = [listener.read_window(start, 50)[:, 0] for start in (0, 40, 70)]
    assert found[0].shape == (50, 3)
    loud = [tokens[:, 0] > 0.05 for tokens in found]
    assert not loud[0].any()
    assert loud[1].tolist() == [False] * 23 + [True] * 27
    assert loud[2].all()
    # The window's own value stands behind each frame's.
    assert found[1][:, 2].tolist() == [pytest.approx(0.125 * 27 / 50, rel=0.01)] * 50
    assert notes == []


def test_behind_the_end_there_is_silence(tmp_path: Path) -> None:
    listener, _, _ = hearing(saved(tmp_path / "short.wav", tone(2.0)))
    assert (listener.read_window(0, 50)[:, 0, 0] > 0.05).tolist() == [True] * 20 + [False] * 30
    assert listener.read_window(50, 50).eq(0).all()


def test_an_earlier_window_is_the_same_as_ever(tmp_path: Path) -> None:
    audio = saved(tmp_path / "noise.wav", np.concatenate([noise(3.0), noise(6.0, 1), noise(6.0, 2)], axis=1), 24_000)
    listener, _, _ = hearing(audio)
    first = listener.read_window(0, 50)
    listener.read_window(100, 50)
    assert torch.equal(listener.read_window(0, 50), first)
    assert not torch.equal(listener.read_window(40, 50), first)


def test_a_file_is_heard_above_what_the_models_hear_and_memory_is_not(tmp_path: Path) -> None:
    fine = saved(tmp_path / "fine.wav", tone(5.0, hz=15_000.0))
    assert hearing(fine)[0].read_window(0, 50)[5:45, 0, 1].min() > 0.1
    low = tone(5.0, hz=3_000.0, rate_hz=24_000)
    in_memory, in_file = ArrayAudio(low), saved(tmp_path / "low.wav", low, 24_000)
    found, wanted = (hearing(audio)[0].read_window(0, 50) for audio in (in_memory, in_file))
    torch.testing.assert_close(found[1:-1], wanted[1:-1], atol=1e-4, rtol=1e-3)
    assert found[5:45, 0, 0].min() > 0.1
    assert found[5:45, 0, 1].max() < 1e-6
    scene = encode_audio(torch.from_numpy(low)[None], Loudness())
    assert torch.equal(scene.plain[0], found)
    assert scene.flipped is None


class Damaged:
    """Sound that ends in the middle of its second second."""

    duration_s = 10.0

    def blocks(self, on_warning: Callable[[str], None]) -> Iterator[np.ndarray]:  # noqa: ARG002
        yield noise(1.5)
        raise MediaError("the packets are damaged")


def test_sound_that_cannot_be_had_is_missing_each_time_and_it_is_said() -> None:
    listener, encoder, notes = hearing(Damaged())
    for start in (0, 40):
        assert listener.read_window(start, 50).isnan().all()
    assert listener.read_window(0, 50).shape == (50, 1, 3)
    assert set(notes) == {
        "no sound at 48000 Hz: it was done without tokens of loudness; the packets are damaged",
    }
    assert encoder.calls == 0


def test_what_was_heard_once_is_not_encoded_again(tmp_path: Path) -> None:
    kept, audio = TokenCache(tmp_path / "kept"), saved(tmp_path / "noise.wav", noise(9.0), 24_000)
    first, one, _ = hearing(audio, kept)
    wanted = [first.read_window(start, 50) for start in (0, 40)]
    again, two, _ = hearing(audio, kept)
    # In half precision.
    torch.testing.assert_close([again.read_window(start, 50) for start in (0, 40)], wanted, atol=1e-4, rtol=1e-3)
    assert (one.calls, two.calls) == (2, 0)
    for other in (
        FileAudio(audio.path, ChannelSelection((1, 0))),
        saved(tmp_path / "other.wav", noise(9.0, 1), 24_000),
    ):
        listener, three, _ = hearing(other, kept)
        listener.read_window(0, 50)
        assert three.calls == 1
    again.read_window(10, 50)
    assert two.calls == 1


# In a run


class Listener:
    """A backend that keeps what it is given."""

    features = ()
    encoders = {"loudness": "1"}  # noqa: RUF012

    def __init__(self) -> None:
        self.given: list[torch.Tensor] = []

    def infer(self, batch) -> Posterior:
        self.given.append(batch["loudness"])
        return Posterior(torch.zeros(len(batch), batch.frames, 13, 1), labels=DCASE2025)


def listened(clip: Clip) -> tuple[torch.Tensor, tuple[str, ...], Loudness]:
    backend, encoder = Listener(), Loudness()
    ears = LoadedBackends({"one": backend, "two": Listener()}, (), CPU, {"loudness": LoadedEncoder(LOUDNESS, encoder)})

    def fail(_clip: Clip, error: Exception) -> None:
        raise error

    (found,) = infer_clips([clip], ears, RunStats(), fail)
    return torch.cat(backend.given), found.notes, encoder


def test_backends_are_given_what_is_heard_of_each_window_once(tmp_path: Path) -> None:
    audio = saved(tmp_path / "tone.wav", tone(9.0, start_s=4.5))
    tokens, notes, encoder = listened(find_clips([audio.path])[0])
    assert tokens.shape == (2, 50, 1, 3)
    assert (tokens[0, :, 0, 0] > 0.05).tolist() == [False] * 45 + [True] * 5
    assert (tokens[1, :, 0, 0] > 0.05).tolist() == [False] * 5 + [True] * 45
    assert encoder.calls == 2
    # It needs no picture.
    assert NO_PICTURE not in notes


def test_a_clip_in_memory_and_the_sound_of_a_video_are_heard_too(tmp_path: Path) -> None:
    tokens, _, _ = listened(Clip("memory", ArrayAudio(noise(2.0))))
    assert (tokens[0, :, 0, 0] > 1e-4).tolist() == [True] * 20 + [False] * 30
    (video,) = find_clips([film(tmp_path / "film.mp4", 3.0)])
    assert listened(video)[0][0, :25, 0, 0].min() > 1e-4


# Names


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models"))


def test_a_token_of_clap_is_its_frame_and_then_its_window(models: Path) -> None:
    encoder = load_encoder(f"clap@{models / 'clap'}", CPU).model
    assert isinstance(encoder, AudioEncoderModel)
    assert parse_name(f"clap@{models / 'clap'}") == encoder.name == "clap"
    found = encoder.encode(torch.from_numpy(tone(5.0))[:1])
    tokens = found.to_frames()
    assert tokens.shape == (1, 50, 1, 16 + 12)
    assert torch.equal(tokens[0, 7, 0], torch.cat([found.frames[0, 7], found.window[0]]))


def test_an_unknown_encoder_is_told_all_that_there_are() -> None:
    with pytest.raises(PluginError) as error:
        load_encoder("clapp@here", CPU)
    assert str(error.value) == (
        "there is no encoder 'clapp'; did you mean 'clap'? Known: clap, compact-audio, compact-image, owlvit, "
        "people-and-things, resnet50, resnet50-map, yamnet, yamnet-seld; see `seldfuse plugins`"
    )


def test_other_weights_than_the_checkpoint_s_are_refused(models: Path) -> None:
    backend, reference = Listener(), f"clap@{models / 'clap'}"
    found = load_encoder(reference, CPU).version
    backend.encoders = {reference: found}
    assert list(load_encoders({"cmc": backend}, CPU)) == [reference]
    backend.encoders = {reference: "another"}
    with pytest.raises(CheckpointError) as error:
        load_encoders({"cmc": backend}, CPU)
    assert str(error.value) == (
        f"cmc was trained with {reference} of version another, here is {found}; "
        "get the weights, or the seldfuse, that the checkpoint came with, or train anew"
    )


# In training


def test_scenes_from_folders_bring_what_is_heard_of_their_files(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    write_wav(folder / "long.wav", tone(10.0, start_s=7.0, hz=15_000.0), 48_000)
    (folder / "long.csv").write_text("frame,class,source,azimuth,distance,onscreen\n75,1,0,30,200,1\n")
    pairs = find_labelled_files(folder, DCASE2025, [])
    for encoder in (first := Loudness()), (again := Loudness()):
        scenes = FolderSource(
            pairs, DCASE2025, ("logmel",), 7, ProcessShare(), {}, CPU, WindowTokens([LoadedEncoder(LOUDNESS, encoder)])
        )
        batch = scenes.draw(2)
        scenes.close()
        heard = batch.embeddings["loudness"]
        assert heard.plain.shape == (2, 50, 1, 3)
        second = int((batch.target.activity.flatten(1).sum(1) > 0).nonzero())
        loud = heard.plain[..., 0, 1] > 0.05
        assert loud[second].tolist() == [False] * 20 + [True] * 30
        assert not loud[1 - second].any()
    # The scenes that follow are read ahead.
    assert first.calls >= 2
    assert again.calls == 0


def test_swap_and_blindness_leave_what_is_heard() -> None:
    truth = Posterior(torch.zeros(3, 50, 13, 3), torch.ones(3, 50, 13, 3, 3), labels=DCASE2025)
    columns = torch.rand(3, 25, 4, 2)
    given = {
        "seen": EncoderTokens(columns, columns.flip(2)),
        "heard": EncoderTokens(torch.rand(3, 50, 1, 2), input="audio"),
    }
    batch = TrainingBatch(torch.zeros(3, 2, 250, 64), ("logmel",), truth, given)
    rng = np.random.default_rng(0)
    changed = drop_picture(swap_channels(batch, 1.0, rng), 1.0, rng).embeddings
    assert changed["seen"].plain.isnan().all()
    assert torch.equal(changed["heard"].plain, given["heard"].plain)
    assert torch.equal(TrainingBatch.concat([batch, batch]).embeddings["heard"].plain[3:], given["heard"].plain)


def test_random_scenes_bring_what_is_heard_and_folders_keep_it(models: Path, tmp_path: Path) -> None:
    sounds = build_procedural_bank(DCASE2025, held_out=False, count=1)
    # Nobody looks, so nothing need be drawn.
    stage = SceneIngredients(sounds, SceneStatistics.load(), 0.5)
    supply = SceneSupply(stage, ("logmel",), 3, tmp_path / "bank", (f"clap@{models / 'clap'}",))
    made, kept = (supply.load_chunk(1).embeddings["clap"] for _ in range(2))
    assert made.plain.shape == (8, 50, 1, 28)
    assert made.plain.float().std(dim=0).mean() > 0
    assert torch.equal(kept.plain, made.plain)
    assert made.flipped is kept.flipped is None
