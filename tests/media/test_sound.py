"""Sound of every kind of file comes out as stereo at 24 kHz, on time, or as an error that says what to do."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seldfuse.errors import MediaError
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.container import probe
from seldfuse.media.encode import write_video, write_wav
from seldfuse.media.sound import FileAudio

RNG = np.random.default_rng(0)
CLICK_S = 0.5


def click(rate_hz: int, duration_s: float = 2.0, channels: int = 2) -> np.ndarray:
    """A 10 ms tone burst that begins at `CLICK_S`, in silence; the right channel is half as loud."""
    samples = np.zeros((channels, round(duration_s * rate_hz)), np.float32)
    burst = 0.5 * np.cos(2 * np.pi * 1000 * np.arange(rate_hz // 100) / rate_hz)
    start = round(CLICK_S * rate_hz)
    samples[0, start : start + len(burst)] = burst
    samples[1:, start : start + len(burst)] = burst / 2
    return samples


def write(path: Path, codec: str, samples: np.ndarray, rate_hz: int, shift_s=None, chunk=1024) -> Path:
    """Encodes planar floats; `shift_s` moves the timestamp of the frame that would begin at `start_s`."""
    with av.open(str(path), "w") as file:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, layout, rate_hz, frame_size=context.frame_size or chunk)
        whole = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout=layout)
        whole.sample_rate, whole.pts, whole.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for frame in [*resampler.resample(whole), *resampler.resample(None)]:
            frame.pts += round(shift_s(frame.pts / rate_hz) * rate_hz) if shift_s else 0
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def decode(path: Path) -> tuple[np.ndarray, list[str]]:
    warnings: list[str] = []
    blocks = list(FileAudio(path).blocks(warnings.append))
    assert all(block.dtype == np.float32 for block in blocks)
    return np.concatenate(blocks, axis=1), warnings


def onset_s(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(samples[0]) > 0.25)) / 24000


def test_a_wav_at_24_khz_comes_out_bit_by_bit(tmp_path):
    whole = RNG.integers(-32768, 32768, (2, 120_000), dtype=np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 24000, 0, "NONE", ""))
        file.writeframes(whole.T.tobytes())
    samples, warnings = decode(tmp_path / "a.wav")
    assert samples.shape == (2, 120_000)
    assert np.array_equal(samples, whole.astype(np.float32) / 32768)
    assert warnings == []


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.wav", "pcm_u8", 24000),
        ("a.wav", "pcm_s16le", 8000),
        ("a.wav", "pcm_s24le", 44100),
        ("a.wav", "pcm_s32le", 96000),
        ("a.wav", "pcm_f32le", 24000),
        ("a.wav", "pcm_f64le", 22050),
        ("a.mka", "pcm_s16le", 44100),
        ("a.aiff", "pcm_s16be", 48000),
        ("a.flac", "flac", 44100),
        ("a.mp3", "libmp3lame", 48000),
        ("a.m4a", "aac", 48000),
        ("a.mp4", "aac", 16000),
        ("a.opus", "libopus", 48000),
        ("a.webm", "libopus", 48000),
    ],
)
def test_length_level_and_onset_survive_every_format(tmp_path, name, codec, rate_hz):
    samples, warnings = decode(write(tmp_path / name, codec, click(rate_hz), rate_hz))
    assert samples.shape[1] == pytest.approx(48000, abs=3)
    assert onset_s(samples) == pytest.approx(CLICK_S, abs=5e-4)
    left, right = np.sqrt((samples[:, 12000:12240] ** 2).mean(axis=1))
    assert left == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert left / right == pytest.approx(2, rel=0.05)
    assert warnings == []


def test_a_file_gives_its_sound_at_another_rate_with_what_only_that_holds(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 13_000 * np.arange(88_200) / 44_100)
    path = write(tmp_path / "a.wav", "pcm_f32le", np.stack([tone, tone]), 44_100)
    wide, narrow = (
        np.concatenate(list(FileAudio(path, rate_hz=rate_hz).blocks()), axis=1) for rate_hz in (48_000, 24_000)
    )
    assert wide.shape == (2, 96_000)
    assert wide[:, 4_800:-4_800].std() == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    assert narrow[:, 2_400:-2_400].std() < 1e-3


def test_one_channel_is_resampled_as_one(tmp_path):
    path = write(tmp_path / "a.wav", "pcm_s16le", click(48_000, channels=1), 48_000)
    samples = np.concatenate(list(FileAudio(path, ChannelSelection(assume_mono=True)).blocks()), axis=1)
    assert samples.shape == (1, 48_000)
    assert onset_s(samples) == pytest.approx(CLICK_S, abs=5e-4)


def test_compressed_sound_that_a_wav_passes_off_as_samples_is_recognised(tmp_path):
    packets = write(tmp_path / "a.ac3", "ac3", click(48000), 48000).read_bytes()
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 48000, 0, "NONE", ""))
        file.writeframes(packets)
    samples, _ = decode(tmp_path / "a.wav")
    assert onset_s(samples) == pytest.approx(CLICK_S, abs=0.02)


def test_the_resampled_sound_does_not_depend_on_where_blocks_end(tmp_path):
    samples, _ = decode(write(tmp_path / "a.wav", "pcm_f32le", RNG.uniform(-0.5, 0.5, (2, 132_300)), 44100))
    tone = np.sin(2 * np.pi * 440 * np.arange(132_300) / 44100)
    smooth, _ = decode(write(tmp_path / "b.wav", "pcm_f32le", np.stack([tone, tone]), 44100))
    wanted = np.sin(2 * np.pi * 440 * np.arange(72_000) / 24000)
    assert samples.shape == smooth.shape == (2, 72_000)
    np.testing.assert_allclose(smooth[0, 500:-500], wanted[500:-500], atol=1e-4)


def test_blocks_stay_small_in_a_long_file(tmp_path):
    write_wav(tmp_path / "a.wav", np.zeros((2, 24000 * 30), np.float32))
    assert max(block.shape[1] for block in FileAudio(tmp_path / "a.wav").blocks()) < 2 * 24000


def test_blocks_begin_anew_each_time(tmp_path):
    audio = FileAudio(write(tmp_path / "a.flac", "flac", click(24000), 24000))
    assert np.array_equal(np.concatenate(list(audio.blocks()), 1), np.concatenate(list(audio.blocks()), 1))
    assert audio.duration_s == pytest.approx(2.0)


def test_a_gap_between_timestamps_becomes_silence(tmp_path):
    path = write(tmp_path / "a.mka", "pcm_s16le", click(24000), 24000, lambda start_s: 1.5 * (start_s > 0.3))
    samples, warnings = decode(path)
    assert samples.shape[1] == pytest.approx(3.5 * 24000, abs=30)
    assert onset_s(samples) == pytest.approx(CLICK_S + 1.5, abs=1e-3)
    assert warnings == [f"the timestamps leave out 1.5 s of sound, which became silence: {path}"]


def test_overlapping_timestamps_keep_the_first_version(tmp_path):
    rising = np.tile(np.linspace(0, 0.5, 48000, dtype=np.float32), (2, 1))
    path = write(tmp_path / "a.mka", "pcm_s16le", rising, 24000, lambda start_s: -0.75 * (start_s == 1), chunk=24000)
    samples, warnings = decode(path)
    assert samples.shape == (2, 30_000)
    np.testing.assert_allclose(samples[:, :24000], rising[:, :24000], atol=1e-4)
    np.testing.assert_allclose(samples[:, 24000:], rising[:, 42000:], atol=1e-4)
    assert warnings == [f"the timestamps overlap by 0.8 s, which were cut off: {path}"]


def test_jitter_of_timestamps_changes_no_sample(tmp_path):
    jitter_s = iter(RNG.uniform(0.0, 0.02, 1000))
    noise = RNG.uniform(-0.5, 0.5, (2, 48000))
    steady, _ = decode(write(tmp_path / "a.mka", "pcm_s16le", noise, 24000))
    shaken, warnings = decode(
        write(tmp_path / "b.mka", "pcm_s16le", noise, 24000, lambda start_s: next(jitter_s) * (start_s > 0))
    )
    assert np.array_equal(steady, shaken)
    assert warnings == []


def test_a_leap_of_many_hours_is_not_filled_with_silence(tmp_path):
    path = write(tmp_path / "a.mka", "pcm_s16le", click(24000), 24000, lambda start_s: 9e4 * (start_s > 0.3))
    samples, warnings = decode(path)
    assert samples.shape[1] == 48000
    assert warnings == [f"the timestamps leap ahead by 90000 s, which was not believed: {path}"]


def write_with_late_sound(path: Path, late_s: float) -> Path:
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = file.add_stream("aac" if path.suffix == ".mp4" else "pcm_s16le", rate=24000, layout="stereo")
        samples = np.ascontiguousarray(click(24000))
        for start in range(0, 48000, 1024):
            piece = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            frame.sample_rate, frame.time_base = 24000, Fraction(1, 24000)
            frame.pts = start + round(late_s * 24000)
            if sound.codec_context.name == "pcm_s16le":
                (frame,) = av.AudioResampler("s16", "stereo", 24000).resample(frame)
            file.mux(sound.encode(frame))
        for number in range(30):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
        file.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_starts_after_the_picture_begins_with_silence(tmp_path, name):
    samples, warnings = decode(write_with_late_sound(tmp_path / name, late_s=0.8))
    assert onset_s(samples) == pytest.approx(CLICK_S + 0.8, abs=1e-3)
    assert samples.shape[1] == pytest.approx(2.8 * 24000, abs=1024)
    assert warnings == []


def test_a_video_cut_off_on_its_way_gives_what_is_there(tmp_path):
    path = tmp_path / "a.mp4"
    pictures = RNG.integers(0, 255, (50, 64, 64, 3), dtype=np.uint8)
    write_video(path, pictures, 10, RNG.uniform(-0.5, 0.5, (2, 120_000)).astype(np.float32))
    whole, _ = decode(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    samples, warnings = decode(path)
    assert 0.3 * 120_000 < samples.shape[1] < 0.7 * 120_000
    length = samples.shape[1] - 2048
    assert np.array_equal(samples[:, :length], whole[:, :length])
    assert "but the file promises 5.0 s; was it cut off?" in warnings[-1]


def test_damage_in_the_middle_does_not_shift_what_follows(tmp_path):
    samples = RNG.uniform(-0.1, 0.1, (2, 96000)).astype(np.float32)
    samples[:, 72000:72240] = click(24000)[:, 12000:12240]
    path = write(tmp_path / "a.m4a", "aac", samples, 24000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle - 500 : middle + 500] = bytes([255]) * 1000
    path.write_bytes(data)
    decoded, warnings = decode(path)
    assert decoded.shape[1] == pytest.approx(96000, abs=3)
    assert onset_s(decoded[:, 71000:]) == pytest.approx(1000 / 24000, abs=1e-3)
    assert warnings
    assert warnings[0].startswith("packets of sound were damaged and passed over: ")


def test_a_wav_that_promises_more_than_it_holds_is_reported(tmp_path):
    path = write(tmp_path / "a.wav", "pcm_f32le", click(24000), 24000)
    path.write_bytes(path.read_bytes()[: -8 * 24000])
    samples, warnings = decode(path)
    assert samples.shape[1] == 24000
    assert warnings == [f"the sound ends at 1.0 s, but the file promises 2.0 s; was it cut off?: {path}"]


@pytest.mark.parametrize("duration_s", [0.01, 1 / 24000])
def test_a_very_short_sound_is_sound(tmp_path, duration_s):
    write_wav(tmp_path / "a.wav", np.full((2, round(duration_s * 24000)), 0.5, np.float32))
    samples, _ = decode(tmp_path / "a.wav")
    assert samples.shape[1] == round(duration_s * 24000)


def fail(path: Path) -> str:
    with pytest.raises(MediaError) as caught:
        list(FileAudio(path).blocks())
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_a_missing_file_names_its_neighbour(tmp_path):
    write_wav(tmp_path / "kitchen.wav", np.zeros((2, 10), np.float32))
    path = tmp_path / "kitchn.wav"
    assert fail(path) == f"no such file; did you mean kitchen.wav?: {path}"
    assert fail(tmp_path / "gone" / "x.wav") == f"no such file: {tmp_path / 'gone' / 'x.wav'}"


def test_a_length_that_cannot_be_read_is_unknown(tmp_path):
    assert FileAudio(tmp_path / "gone.wav").duration_s is None


def test_a_folder_is_no_sound(tmp_path):
    assert fail(tmp_path) == f"expected a sound or video file, got a folder: {tmp_path}"


def test_an_empty_file_is_no_sound(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    assert fail(path) == f"the file is empty: {path}"


def test_a_text_is_no_sound(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("hello world\n" * 50)
    assert fail(path) == f"this is no sound or video that FFmpeg reads, or its header is damaged: {path}"


def test_a_wav_header_without_samples_is_an_error(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros((2, 0), np.float32))
    assert fail(path) == f"the sound holds no samples, or none that can be decoded: {path}"


def test_mono_is_an_error_that_says_why(tmp_path):
    path = write(tmp_path / "a.flac", "flac", click(24000, channels=1), 24000)
    assert fail(path) == (
        "one channel cannot be localised, for a direction comes from what differs between two; "
        f"give a stereo recording, or type --assume-mono to learn only which classes sound: {path}"
    )


def test_six_channels_without_names_are_an_error_that_shows_the_way(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(6)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes(bytes(12 * 2400))
    assert fail(path) == (
        f"expected stereo, got 6 channels; say which two are left and right, counted from 0: --channels 0,1: {path}"
    )


@pytest.mark.parametrize("rate_hz", [24000, 48000])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_not_a_number_is_an_error_that_says_where(tmp_path, rate_hz, value):
    samples = np.zeros((2, 3 * rate_hz))
    samples[1, round(1.25 * rate_hz)] = value
    path = write(tmp_path / "a.wav", "pcm_f32le", samples, rate_hz)
    assert fail(path) == f"the sound holds NaN or Inf, first at 1.250 s; export it anew: {path}"


def test_a_video_without_sound_is_an_error(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    assert fail(path) == f"expected a file with sound, found no audio stream in it: {path}"


def test_a_playlist_cannot_lead_to_the_network(tmp_path):
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n")
    assert str(path) in fail(path)


def test_a_colon_in_a_name_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "a:b.wav", np.zeros((2, 10), np.float32))
    assert probe(Path("a:b.wav")).channels == 2


def test_a_recording_from_the_field_decodes_in_full(shared):
    samples, warnings = decode(shared / "media" / "video" / "nasa_13013.mp4")
    assert samples.shape[1] == pytest.approx(13.056 * 24000, abs=3)
    assert warnings == ["took stream 0 of 2 (2 channels, 2 channels); --stream names another"]


def test_a_change_of_sample_rate_ends_the_sound_with_a_warning(tmp_path):
    halves = [write(tmp_path / f"{rate_hz}.aac", "aac", click(rate_hz), rate_hz) for rate_hz in (24000, 48000)]
    path = tmp_path / "a.aac"
    path.write_bytes(b"".join(half.read_bytes() for half in halves))
    samples, warnings = decode(path)
    assert samples.shape[1] == pytest.approx(48000, abs=3 * 1024)
    (warning,) = warnings
    assert warning.startswith("the sound changes from 24000 Hz stereo to 48000 Hz stereo at 2.")
    assert warning.endswith(f"what follows was left out: {path}")
