"""What the two channels tell of how they were recorded, on sounds whose making is known."""

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.signal import butter, fftconvolve, sosfilt

from seldfuse.media.sound import FileAudio
from seldfuse.media.stereo import StereoCheck, estimate_delays_s

RATE_HZ = 24000
RNG = np.random.default_rng(0)


def noise(duration_s: float = 5.0) -> np.ndarray:
    return RNG.standard_normal(round(duration_s * RATE_HZ))


def telephone(duration_s: float = 5.0) -> np.ndarray:
    return sosfilt(butter(8, 4000, fs=RATE_HZ, output="sos"), noise(duration_s))


def delayed(sound: np.ndarray, delay_s: float) -> np.ndarray:
    turns = np.fft.rfftfreq(2 * len(sound), 1 / RATE_HZ) * delay_s
    return np.fft.irfft(np.fft.rfft(sound, 2 * len(sound)) * np.exp(-2j * np.pi * turns))[: len(sound)]


def reverberation(sound: np.ndarray) -> np.ndarray:
    tail = RNG.standard_normal(RATE_HZ // 2) * np.exp(-np.arange(RATE_HZ // 2) / 2400)
    wet = fftconvolve(sound, tail)[: len(sound)]
    return wet * sound.std() / wet.std()


def coincident(sound: np.ndarray, azimuth_deg: float) -> np.ndarray:
    side = np.sin(np.radians(azimuth_deg))
    return np.stack([sound * (1 + side), sound * (1 - side)])


def judge(left_right: np.ndarray) -> tuple[str, ...]:
    check = StereoCheck()
    block = (0.05 * left_right).astype(np.float32)
    assert all(np.array_equal(a, b) for a, b in zip(check.pass_through(iter([block])), [block], strict=True))
    return check.warnings()


def test_silence_is_told():
    assert judge(1e-4 * np.stack([noise(), noise()]))[0].startswith("the sound is silent")
    assert StereoCheck().warnings()[0].startswith("the sound is silent")


@pytest.mark.parametrize(("quiet", "loud", "index"), [("left", "right", 0), ("right", "left", 1)])
def test_a_dead_channel_is_told(quiet, loud, index):
    sound = np.stack([noise(), noise()])
    sound[index] *= 1e-4
    (warning,) = judge(sound)
    assert warning.startswith(f"the {quiet} channel is silent, so every direction will come out far to the {loud}")


def test_two_equal_channels_are_told():
    sound = noise()
    (warning,) = judge(np.stack([sound, sound]) + 1e-4 * np.stack([noise(), noise()]))
    assert "every direction will come out as 0°; use the stereo original" in warning


def test_two_nearly_equal_channels_are_told_with_their_reach():
    (warning,) = judge(coincident(noise(), 4.0))
    assert "their difference is 23 dB below their sum), so every direction will stay within about 4° of 0°" in warning


@pytest.mark.parametrize("make", [noise, telephone])
@pytest.mark.parametrize("azimuth_deg", [-80, -20, 10, 45])
def test_a_coincident_pair_is_well(make, azimuth_deg):
    assert judge(coincident(make(), azimuth_deg)) == ()


@pytest.mark.parametrize("make", [noise, telephone])
@pytest.mark.parametrize("wet", [0.5, 1.0, 4.0])
def test_a_coincident_pair_in_a_diffuse_room_is_well(make, wet):
    sound = make()
    omni, across = reverberation(sound), reverberation(sound) / np.sqrt(3)
    assert judge(coincident(sound, 50) + wet * np.stack([omni + across, omni - across])) == ()


def test_an_early_reflection_from_the_other_side_is_no_distance_between_microphones():
    sound = noise()
    assert judge(coincident(sound, 85) + 0.8 * coincident(delayed(sound, 0.003), -85)) == ()


def test_channels_of_opposite_sign_are_well():
    sound = telephone()
    assert judge(np.stack([sound, -0.4 * sound])) == ()


def test_independent_channels_are_well():
    assert judge(np.stack([noise(), noise()])) == ()


@pytest.mark.parametrize("make", [noise, telephone])
@pytest.mark.parametrize("delay_s", [1.5e-4, 3e-4, 6e-4, -1.2e-3])
def test_microphones_apart_are_told_with_the_delay(make, delay_s):
    sound = make()
    (warning,) = judge(np.stack([sound, delayed(sound, delay_s)]))
    assert warning.startswith("the microphones stand apart (the channels differ by ")
    assert float(warning.split(" differ by ")[1].split(" ms")[0]) == pytest.approx(abs(delay_s) * 1e3, abs=0.02)


def test_microphones_apart_are_told_in_a_room_and_with_two_talkers():
    first, second = noise(10), noise(10)
    first[: 5 * RATE_HZ], second[5 * RATE_HZ :] = 0, 0
    left = first + delayed(second, 4e-4) + reverberation(first + second)
    right = delayed(first, 4e-4) + second + reverberation(first + second)
    assert judge(np.stack([left, right]))[0].startswith("the microphones stand apart")


def test_a_delay_below_three_centimetres_is_well():
    sound = noise()
    assert judge(np.stack([sound, delayed(sound, 5e-5)])) == ()


def test_delays_are_those_of_a_slow_search():
    sound = noise(1.0)
    pair = np.stack([delayed(sound, 7 / RATE_HZ), sound])[:, : 8 * 2048]
    lags = range(-30, 31)
    slow = max(lags, key=lambda lag: abs(np.dot(np.roll(pair[1], lag), pair[0]))) / RATE_HZ
    assert slow == pytest.approx(7 / RATE_HZ)
    (fast,) = np.abs(estimate_delays_s(pair.reshape(2, 1, 8, 2048)))
    assert fast == pytest.approx(slow, abs=1e-5)


def test_the_verdict_does_not_depend_on_the_size_of_blocks():
    sound = noise()
    pair = (0.05 * np.stack([sound, delayed(sound, 3e-4)])).astype(np.float32)
    whole, small = StereoCheck(), StereoCheck()
    whole.update(pair)
    for start in range(0, pair.shape[1], 1000):
        small.update(pair[:, start : start + 1000])
    assert whole.warnings() == small.warnings() != ()


def test_a_challenge_like_recording_is_well_from_every_side(shared):
    _, sound = wavfile.read(shared / "media" / "audio" / "starss23_foa_clip.wav")
    w, y, _, x = sound.T / 32768
    for view in np.radians(range(0, 360, 30)):
        across = np.sin(view) * x + np.cos(view) * y
        check = StereoCheck()
        check.update(np.stack([w + across, w - across]).astype(np.float32))
        assert check.warnings() == ()


def test_a_video_that_is_almost_mono_is_told(shared):
    check = StereoCheck()
    assert sum(
        block.shape[1] for block in check.pass_through(FileAudio(shared / "media/video/nasa_13013.mp4").blocks())
    )
    (warning,) = check.warnings()
    assert "difference is 21 dB below their sum), so every direction will stay within about 5° of 0°" in warning
