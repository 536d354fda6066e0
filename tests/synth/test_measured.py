"""Measured responses: files are read, brought to one level and one time, and believed only where they can be."""

import pickle
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile

from seldfuse.errors import MediaError, UsageError
from seldfuse.synth.rooms.measured import SPEED_OF_SOUND_M_S, ResponseSet, convert_to_mid_side, load_responses
from seldfuse.synth.rooms.srir import COLUMNS

RNG = np.random.default_rng(0)
HEADER = ",".join(COLUMNS)


def point(azimuth_deg: float, elevation_deg: float = 0.0, distance_m: float = 1.0) -> np.ndarray:
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    flat = np.cos(elevation)
    return distance_m * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])


def plane_wave(
    azimuth_deg: float, elevation_deg: float = 0.0, late: int = 200, height: float = 0.3, samples: int = 4800
) -> np.ndarray:
    """A pulse from one direction as W, Y, Z, X, and weak noise 50 ms behind it."""
    x, y, z = point(azimuth_deg, elevation_deg)
    foa = np.zeros((4, samples))
    foa[:, late] = height * np.array([1.0, y, z, x])
    tail = samples - late - 2400
    foa[:, late + 2400 :] = 0.01 * height * RNG.standard_normal((4, max(0, tail)))
    return foa.astype(np.float32)


def write_wavs(folder: Path, places: dict[str, tuple[float, float, float]], rate_hz: int = 24_000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [HEADER]
    for name, (azimuth_deg, elevation_deg, distance_m) in places.items():
        scipy.io.wavfile.write(folder / name, rate_hz, plane_wave(azimuth_deg, elevation_deg).T)
        lines.append(f"{name},{azimuth_deg},{elevation_deg},{distance_m}")
    (folder / "positions.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_sofa(
    path: Path,
    foa: np.ndarray,
    source: np.ndarray,
    listener: tuple[float, float, float] = (0.0, 0.0, 0.0),
    kind: object = "cartesian",
    view: tuple[float, float, float] | None = None,
    rate_hz: float = 24_000.0,
) -> Path:
    h5py = pytest.importorskip("h5py")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["SOFAConventions"] = "SingleRoomSRIR"
        file["Data.IR"] = foa
        file["Data.SamplingRate"] = [rate_hz]
        file["SourcePosition"] = source
        file["SourcePosition"].attrs["Type"] = np.bytes_(kind) if isinstance(kind, bytes) else kind
        file["ListenerPosition"] = [listener]
        file["ListenerPosition"].attrs["Type"] = "cartesian"
        if view is not None:
            file["ListenerView"] = [view]
    return path


def level_difference_db(pair: tuple[np.ndarray, np.ndarray], late: int, reach: int = 36) -> float:
    mid, side = (part[late - reach : late + reach] for part in pair)
    return float(20 * np.log10(np.linalg.norm(mid + side) / np.linalg.norm(mid - side)))


DIRECTIONS = [(-120.0, 0.0), (-35.0, 20.0), (0.0, 0.0), (30.0, -10.0), (75.0, 40.0), (160.0, 0.0)]


@pytest.mark.parametrize("yaw_deg", [0.0, 55.0, -140.0])
def test_a_plane_wave_has_the_level_difference_of_its_azimuth_plus_the_turn(tmp_path: Path, yaw_deg: float) -> None:
    foa = np.stack([plane_wave(azimuth, elevation) for azimuth, elevation in DIRECTIONS])
    source = np.stack([point(azimuth, elevation, 2.0) for azimuth, elevation in DIRECTIONS])
    responses = load_responses(write_sofa(tmp_path / "a.sofa", foa, source).parent)
    late = round(2.0 / SPEED_OF_SOUND_M_S * 24_000)
    for row, (azimuth, elevation) in enumerate(DIRECTIONS):
        response = responses.get_response(f"a.sofa#{row}")
        assert (response.azimuth_deg, response.elevation_deg) == pytest.approx((azimuth, elevation), abs=1e-6)
        sine = np.sin(np.radians(azimuth + yaw_deg)) * np.cos(np.radians(elevation))
        expected = 20 * np.log10((1 + sine) / (1 - sine))
        assert level_difference_db(convert_to_mid_side(response.foa, yaw_deg), late) == pytest.approx(
            expected, abs=0.01
        )


@pytest.mark.parametrize("rate_hz", [24_000, 44_100, 48_000])
def test_the_direct_sound_has_the_energy_and_the_delay_of_its_distance(tmp_path: Path, rate_hz: int) -> None:
    write_wavs(tmp_path, {"near.wav": (10.0, 0.0, 0.5), "far.wav": (10.0, 0.0, 4.0)}, rate_hz)
    responses = load_responses(tmp_path)
    for key, distance_m in (("near.wav", 0.5), ("far.wav", 4.0)):
        response = responses.get_response(key)
        late = distance_m / SPEED_OF_SOUND_M_S * 24_000
        direct = slice(round(late) - 30, round(late) + 40)
        assert np.linalg.norm(response.foa[0, direct]) == pytest.approx(1 / distance_m, rel=0.01)
        assert abs(np.abs(response.foa[0]).argmax() - late) < 8
        assert response.distance_m == distance_m
        assert response.foa.dtype == np.float32


def test_a_response_is_cut_after_two_seconds(tmp_path: Path) -> None:
    foa = plane_wave(20.0, samples=3 * 24_000)[None]
    responses = load_responses(write_sofa(tmp_path / "a.sofa", foa, point(20.0)[None]).parent)
    assert responses.get_response("a.sofa#0").foa.shape == (4, 48_000)


@pytest.mark.parametrize("kind", ["cartesian", "spherical", b"spherical", ["spherical"]])
@pytest.mark.parametrize("view_deg", [None, 90.0, -35.0])
def test_places_are_seen_from_the_listener_the_way_he_looks(
    tmp_path: Path, kind: object, view_deg: float | None
) -> None:
    listener = np.array([3.0, 2.0, 1.5])
    away = np.stack([point(50.0 + (view_deg or 0.0), 10.0, 2.5), point(-100.0 + (view_deg or 0.0), 0.0, 1.5)])
    x, y, z = (away + listener).T
    if kind == "cartesian":
        source = away + listener
    else:
        angles = np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])
        source = np.stack([*angles, np.sqrt(x**2 + y**2 + z**2)], axis=1)
    view = None if view_deg is None else tuple(point(view_deg))
    foa = np.stack([plane_wave(50.0, 10.0), plane_wave(-100.0)])
    responses = load_responses(write_sofa(tmp_path / "a.sofa", foa, source, tuple(listener), kind, view).parent)
    found = [responses.get_response(key) for key in responses.keys]
    assert [(r.azimuth_deg, r.elevation_deg, r.distance_m) for r in found] == [
        pytest.approx((50.0, 10.0, 2.5)),
        pytest.approx((-100.0, 0.0, 1.5)),
    ]


def test_places_that_were_counted_from_the_listener_are_recognised_by_the_sound(tmp_path: Path) -> None:
    azimuths = [-150.0, -60.0, 20.0, 110.0]
    foa = np.stack([plane_wave(azimuth) for azimuth in azimuths])
    source = np.stack([point(azimuth, 0.0, 2.0) for azimuth in azimuths])
    responses = load_responses(write_sofa(tmp_path / "a.sofa", foa, source, (4.0, 3.0, 1.5)).parent)
    assert [responses.get_response(key).azimuth_deg for key in responses.keys] == pytest.approx(azimuths)


def test_draws_are_different_responses_of_one_room(tmp_path: Path) -> None:
    for room, count in (("small", 2), ("large/east", 5)):
        write_wavs(tmp_path / room, {f"{n}.wav": (20.0 * n, 0.0, 1.0 + n) for n in range(count)})
    responses = load_responses(tmp_path)
    assert responses.keys == (*(f"large/east/{n}.wav" for n in range(5)), "small/0.wav", "small/1.wav")
    assert responses.largest_room == 5
    rng = np.random.default_rng(1)
    rooms = set()
    for _ in range(40):
        keys = responses.draw(rng, 2)
        assert len(set(keys)) == 2
        assert len({key.rpartition("/")[0] for key in keys}) == 1
        rooms.add(keys[0].rpartition("/")[0])
    assert rooms == {"small", "large/east"}
    assert {key.rpartition("/")[0] for _ in range(9) for key in responses.draw(rng, 4)} == {"large/east"}
    assert responses.draw(rng, 0) == ()
    with pytest.raises(UsageError, match="expected at most 5 sources in a measured room, got 6"):
        responses.draw(rng, 6)


def test_a_draw_depends_on_its_generator_alone_also_in_another_process(tmp_path: Path) -> None:
    responses = load_responses(write_wavs(tmp_path, {f"{n}.wav": (20.0 * n, 0.0, 1.0) for n in range(6)}))
    first = responses.draw(np.random.default_rng(3), 3)
    responses.draw(np.random.default_rng(4), 2)
    sent: ResponseSet = pickle.loads(pickle.dumps(responses))
    assert responses.draw(np.random.default_rng(3), 3) == first == sent.draw(np.random.default_rng(3), 3)
    assert np.array_equal(sent.get_response(first[0]).foa, responses.get_response(first[0]).foa)


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    responses = load_responses(write_wavs(tmp_path, {"a.wav": (0.0, 0.0, 1.0)}))
    with pytest.raises(UsageError, match=r"expected one of 1 measured responses, got 'b\.wav'"):
        responses.get_response("b.wav")


def write_pcm(path: Path, channels: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 24_000, 0, "NONE", ""))
        file.writeframes(b"\1\1" * channels * 480)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gone.wav,0,0,1", r"line 3 names a file that is not there, 'gone\.wav': .*positions\.csv"),
        (",0,0,1", r"line 3 names a file that is not there, '': .*positions\.csv"),
        ("a.wav,0,0,1", r"line 3 names 'a\.wav' a second time: .*positions\.csv"),
        (
            "b.wav,left,0,1",
            r"line 3 should give azimuth, elevation and a distance from 0.01 to 1000 m, got left, 0, 1: .*\.csv",
        ),
        (
            "b.wav,0,0,0",
            r"line 3 should give azimuth, elevation and a distance from 0.01 to 1000 m, got 0, 0, 0: .*\.csv",
        ),
        ("b.wav,0,0,nan", r"line 3 should give .* got 0, 0, nan: .*positions\.csv"),
        ("b.wav,0,100,1", r"line 3 should give .* got 0, 100, 1: .*positions\.csv"),
        ("b.wav,0", r"line 3 should give .* got 0, nothing, nothing: .*positions\.csv"),
        ("two.wav,0,0,1", r"expected 4 channels \(W, Y, Z, X\), got 2: .*two\.wav"),
        ("text.wav,0,0,1", r"this is no sound or video .*text\.wav"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(tmp_path: Path, line: str, message: str) -> None:
    write_wavs(tmp_path, {"a.wav": (40.0, 0.0, 1.0), "b.wav": (0.0, 0.0, 1.0)})
    write_pcm(tmp_path / "two.wav", 2)
    (tmp_path / "text.wav").write_text("no sound, only words, but a good many of them")
    (tmp_path / "positions.csv").write_text(f"{HEADER}\na.wav,40,0,1\n{line}\n")
    with pytest.raises((UsageError, MediaError), match=message):
        load_responses(tmp_path)
    problems: list[str] = []
    assert load_responses(tmp_path, problems.append).keys == ("a.wav",)
    assert len(problems) == 1
    assert problems[0].startswith("passed over: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"file,azimuth_deg\na.wav,0\n", r"the table lacks the columns elevation_deg, distance_m: .*positions\.csv"),
        (b"file,\xff\n", r"expected a table in UTF-8 .*positions\.csv"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "positions.csv").write_bytes(text)
    with pytest.raises(UsageError, match=message):
        load_responses(tmp_path)


def test_nothing_measured_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no measured response; expected SOFA files, or WAV files of four"):
        load_responses(tmp_path, print)
    with pytest.raises(UsageError, match=r"--srir expects a folder of measured responses: .*absent"):
        load_responses(tmp_path / "absent")


def swapped(foa: np.ndarray) -> np.ndarray:
    return foa[:, [0, 3, 1, 2]]


def n3d(foa: np.ndarray) -> np.ndarray:
    return foa * np.array([1.0, *3 * [3**0.5]], np.float32)[:, None]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            swapped,
            r"the direct sound comes from \d+° beside the stated direction; expected the channels W, Y, Z, X, .*",
        ),
        (n3d, r"in the direct sound Y, Z and X are 1\.7 times as strong as W, expected at most 1 \(SN3D\); .*a\.sofa"),
        (lambda foa: foa[:, :2], r"expected Data\.IR of measurements × 4 receivers .* got 6 × 2 × 4800; .*a\.sofa"),
        (lambda foa: foa[0], r"expected Data\.IR of measurements × 4 receivers .* got 4 × 4800; .*a\.sofa"),
        (lambda foa: foa * np.nan, r"the response holds NaN or Inf: .*a\.sofa, measurement 0"),
        (lambda foa: foa * 0, r"the response is silent in W, its first channel: .*a\.sofa, measurement 0"),
    ],
)
def test_sofa_files_of_another_kind_are_refused(tmp_path: Path, spoil, message: str) -> None:
    foa = np.stack([plane_wave(azimuth, elevation) for azimuth, elevation in DIRECTIONS])
    source = np.stack([point(azimuth, elevation) for azimuth, elevation in DIRECTIONS])
    path = write_sofa(tmp_path / "a.sofa", spoil(foa), source)
    with pytest.raises(MediaError, match=message):
        load_responses(path.parent)


def test_one_unreadable_response_does_not_cost_the_room(tmp_path: Path) -> None:
    write_wavs(tmp_path, {"a.wav": (40.0, 0.0, 1.0), "b.wav": (0.0, 0.0, 1.0)})
    scipy.io.wavfile.write(tmp_path / "a.wav", 24_000, np.full((480, 4), np.nan, np.float32))
    problems: list[str] = []
    responses = load_responses(tmp_path, problems.append)
    assert responses.draw(np.random.default_rng(0), 1) == ("b.wav",)
    assert "the response holds NaN or Inf" in problems[0]
    (tmp_path / "positions.csv").write_text(f"{HEADER}\na.wav,40,0,1\n")
    with pytest.raises(UsageError, match="there is no measured response"):
        load_responses(tmp_path, problems.append)
    assert "none of the responses that were tried can be read" in problems[-1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.pop("SourcePosition"), r"the SOFA file lacks SourcePosition: .*a\.sofa"),
        (lambda file: file.pop("Data.SamplingRate"), r"the SOFA file lacks Data\.SamplingRate: .*a\.sofa"),
        (
            lambda file: file["Data.SamplingRate"].write_direct(np.zeros(1)),
            r"expected one Data\.SamplingRate .* got 0\.0",
        ),
        (
            lambda file: replaced(file, "SourcePosition", np.ones((3, 3))),
            r"SourcePosition to be 1 or 2 places .* 3 × 3",
        ),
        (
            lambda file: replaced(file, "SourcePosition", np.zeros((1, 3))),
            r"measurement 0 does not say where its source",
        ),
    ],
)
def test_a_damaged_sofa_file_is_named(tmp_path: Path, spoil, message: str) -> None:
    path = write_sofa(tmp_path / "a.sofa", np.stack([plane_wave(30.0)] * 2), point(30.0)[None])
    with pytest.importorskip("h5py").File(path, "r+") as file:
        spoil(file)
    with pytest.raises(MediaError, match=message):
        load_responses(path.parent)


def replaced(file, name: str, values: np.ndarray) -> None:
    del file[name]
    file[name] = values


def test_what_is_no_sofa_file_is_passed_over(tmp_path: Path) -> None:
    write_sofa(tmp_path / "b.sofa", plane_wave(30.0)[None], point(30.0)[None])
    (tmp_path / "a.sofa").write_bytes(b"not HDF5")
    with pytest.raises(MediaError, match=r"expected a SOFA file, which is netCDF-4 .*a\.sofa"):
        load_responses(tmp_path)
    problems: list[str] = []
    assert load_responses(tmp_path, problems.append).keys == ("b.sofa#0",)
    assert len(problems) == 1


def test_a_response_that_breaks_later_is_reported_once_and_another_is_drawn(tmp_path: Path) -> None:
    foa = np.stack([plane_wave(10.0 * row) for row in range(12)])
    foa[5] = np.nan
    path = write_sofa(tmp_path / "a.sofa", foa, np.stack([point(10.0 * row) for row in range(12)]))
    problems: list[str] = []
    responses = load_responses(path.parent, problems.append)
    for seed in range(3):
        keys = responses.draw(np.random.default_rng(seed), 11)
        assert len(set(keys)) == 11
        assert "a.sofa#5" not in keys
    assert problems == [f"passed over: the response holds NaN or Inf: {path}, measurement 5"]
    with pytest.raises(MediaError, match=r"expected 12 responses that can be read, got 11: a\.sofa"):
        responses.draw(np.random.default_rng(0), 12)
    with pytest.raises(MediaError, match="measurement 5"):
        load_responses(path.parent).draw(np.random.default_rng(0), 12)


def test_without_h5py_a_sofa_file_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.sofa").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"install it with `pip install 'seldfuse\[sofa\]'`: .*a\.sofa"):
        load_responses(tmp_path)
