"""Banks of sounds: how folders are read, how they are split, what is drawn, and how a sound is played."""

import hashlib
import json
import multiprocessing
import pickle
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.errors import MediaError, UsageError
from seldfuse.media.encode import write_wav
from seldfuse.synth.sounds import soundbank as sounds_module
from seldfuse.synth.sounds.layouts import MEANINGS, match_class
from seldfuse.synth.sounds.soundbank import (
    ACTIVE_RANGE_DB,
    REFERENCE_RMS,
    BankSound,
    SoundBank,
    load_bank,
    normalize_sound,
    read_sound,
)
from seldfuse.synth.sounds.speed_and_pitch import change_speed_and_pitch

TWO = LabelSet("two", (Label("hiss", "Hiss"), Label("tone", "Tone")))


def tone(frequency_hz: float, seconds: float, level: float = 0.1) -> np.ndarray:
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (level * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def write(path: Path, samples: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, (tone(440, 0.3) if samples is None else samples)[None])
    return path


def folder_of(tmp_path: Path, groups: int = 6, files: int = 2) -> Path:
    for name in ("0_hiss", "1_tone"):
        for group in range(groups):
            for file in range(files):
                write(tmp_path / name / f"g{group}" / f"{file}.wav", tone(300 + 10 * group + file, 0.3))
    return tmp_path


def held(group: str, samples: np.ndarray, cls: int = 0) -> BankSound:
    return sounds_module.normalize_sound(cls, group, samples)


# Folders and tables


def test_a_bank_lists_files_without_reading_them(tmp_path: Path) -> None:
    (tmp_path / "hiss").mkdir()
    (tmp_path / "hiss" / "no_sound.wav").write_bytes(b"no sound")
    (tmp_path / "hiss" / "notes.txt").write_bytes(b"no sound either")
    bank = load_bank(tmp_path, TWO, "train")
    assert bank.keys == ("hiss/no_sound.wav",)
    assert bank.present == [0]


def test_a_subfolder_of_a_class_is_a_group_and_so_is_a_file_beside_it(tmp_path: Path) -> None:
    for name in ("2_tone/anna/a.wav", "2_tone/anna/b.wav", "2_tone/c.wav"):
        write(tmp_path / name)
    (tmp_path / "lone.wav").write_bytes(b"in no class")
    groups = {
        key: group
        for side in ("train", "held")
        for bank in [load_bank(tmp_path, TWO, side)]
        for group in bank.classes[1]
        for key in group
    }
    assert groups == {
        "2_tone/anna/a.wav": ("2_tone/anna/a.wav", "2_tone/anna/b.wav"),
        "2_tone/anna/b.wav": ("2_tone/anna/a.wav", "2_tone/anna/b.wav"),
        "2_tone/c.wav": ("2_tone/c.wav",),
    }


def test_a_manifest_names_class_group_and_path(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    write(tmp_path / "b" / "c.wav")
    (tmp_path / "manifest.csv").write_text("class,group,path,source\nKnock,anna,a.wav,\nbell,bob,b/c.wav,acme\n")
    bank = load_bank(tmp_path, DCASE2025, "train")
    assert bank.present == [11, 12]
    assert [bank.read_sound(key).group for key in bank.keys] == ["acme/bob", "/anna"]
    assert bank.classes[12] == (("a.wav",),)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("class,path\n", r"manifest.csv lacks the columns \['group'\]: .*manifest.csv"),
        ("class,group,path\ngong,a,b.wav\n", "'gong' is no class of dcase2025 \\(female_speech, .*manifest.csv"),
        ("class,group,path\nbell,a,b.wav\nknock,a,b.wav\n", "expected one line for each sound, got two for 'b.wav'"),
        ("class,group,path\nbell\n\x00", "manifest.csv"),
        (
            "class,group,path,side\nbell,a,a.wav,held\nbell,b,b.wav,test\n",
            r"expected train, held, fit for side, got 'test' in line 3: .*manifest.csv",
        ),
        ("class,group,path,side\nbell,a,b.wav,\n", "expected train, held, fit for side, got '' in line 2"),
        (
            "class,group,path,side\nbell,a,a.wav,train\nknock,a,b.wav,held\n",
            r"expected each group on one side, got '/a' with train and with held in line 3: .*manifest.csv",
        ),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, manifest: str, message: str) -> None:
    (tmp_path / "manifest.csv").write_text(manifest)
    with pytest.raises(UsageError, match=message):
        load_bank(tmp_path, DCASE2025, "train")


def test_unknown_classes_are_refused_or_reported_once_and_passed_over(tmp_path: Path) -> None:
    for name in ("hiss/a.wav", "gong/a.wav", "gong/b.wav"):
        write(tmp_path / name)
    with pytest.raises(UsageError, match=r"'gong' is no class of two \(hiss, tone\).*gong"):
        load_bank(tmp_path, TWO, "train")
    problems: list[str] = []
    assert load_bank(tmp_path, TWO, "train", on_problem=problems.append).keys == ("hiss/a.wav",)
    (tmp_path / "manifest.csv").write_text(
        "class,group,path\ngong,a,gong/a.wav\ngong,b,gong/b.wav\nhiss,c,hiss/a.wav\n"
    )
    assert load_bank(tmp_path, TWO, "train", on_problem=problems.append).keys == ("hiss/a.wav",)
    assert [problem.split(" (")[0] for problem in problems] == ["passed over: 'gong' is no class of two"] * 2


def test_an_empty_folder_has_no_sounds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no sound for any class of two; expected sub-folders .* or ESC-50"):
        load_bank(tmp_path, TWO, "train")
    with pytest.raises(UsageError, match="--sounds expects a folder of sounds"):
        load_bank(tmp_path / "nowhere", TWO, "train")


def write_fsd50k(folder: Path, dev: dict[str, str], uploaders: dict[str, str] | None = None) -> Path:
    truth = folder / "FSD50K.ground_truth"
    truth.mkdir(parents=True)
    rows = [f'{name},"{labels}","/m/1",train' for name, labels in dev.items()]
    (truth / "dev.csv").write_text("\n".join(["fname,labels,mids,split", *rows]))
    (truth / "eval.csv").write_text('fname,labels,mids\n900,"Knock,Door,Domestic_sounds_and_home_sounds",/m/1\n')
    for name in dev:
        write(folder / "FSD50K.dev_audio" / f"{name}.wav")
    if uploaders is not None:
        clips = {name: {"title": "t", "uploader": uploader} for name, uploader in uploaders.items()}
        (folder / "FSD50K.metadata").mkdir()
        (folder / "FSD50K.metadata" / "dev_clips_info_FSD50K.json").write_text(json.dumps(clips))
    return folder


DEV = {
    "1": "Electric_guitar,Guitar,Plucked_string_instrument,Musical_instrument,Music",
    "2": "Music",
    "3": "Church_bell,Bell",
    "4": "Bark,Dog,Domestic_animals_and_pets,Animal",
    "5": "Bell",
}


def test_fsd50k_is_read_as_it_is_unpacked(tmp_path: Path) -> None:
    bank = load_bank(write_fsd50k(tmp_path, DEV), DCASE2025, "train")
    named = {DCASE2025.names[cls]: {key for group in bank.classes[cls] for key in group} for cls in bank.present}
    other = load_bank(tmp_path, DCASE2025, "held")
    assert other.present == [11]
    assert named == {
        "music": {"FSD50K.dev_audio/2.wav"},
        "musical_instrument": {"FSD50K.dev_audio/1.wav"},
        "bell": {"FSD50K.dev_audio/3.wav", "FSD50K.dev_audio/5.wav"} - set(other.keys),
    }
    assert bank.read_sound("FSD50K.dev_audio/2.wav").group == "2"


def test_the_evaluation_part_of_fsd50k_counts_where_it_is_unpacked(tmp_path: Path) -> None:
    write_fsd50k(tmp_path, DEV)
    write(tmp_path / "FSD50K.eval_audio" / "900.wav")
    bank = load_bank(tmp_path, DCASE2025, "train", only=[12])
    assert bank.keys == ("FSD50K.eval_audio/900.wav",)


def test_sounds_of_one_uploader_of_fsd50k_stay_together(tmp_path: Path) -> None:
    bank = load_bank(write_fsd50k(tmp_path, DEV, {"3": "anna", "5": "anna"}), DCASE2025, "train")
    assert bank.is_same_group("FSD50K.dev_audio/5.wav") == ("FSD50K.dev_audio/3.wav", "FSD50K.dev_audio/5.wav")
    assert bank.read_sound("FSD50K.dev_audio/2.wav").group == "2"
    (tmp_path / "FSD50K.metadata" / "dev_clips_info_FSD50K.json").write_text("[1]")
    with pytest.raises(UsageError, match=r"expected FSD50K's clips with their 'uploader'.*dev_clips_info_FSD50K.json"):
        load_bank(tmp_path, DCASE2025, "train")


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ("Female_speech_and_woman_speaking,Speech,Human_voice", "female_speech"),
        ("Female_speech_and_woman_speaking,Male_speech_and_man_speaking,Speech,Human_voice", None),
        ("Speech,Human_voice", None),
        ("Applause,Clapping,Human_group_actions,Hands", "clapping"),
        ("Applause,Cheering,Clapping,Human_group_actions,Hands", None),
        ("Ringtone,Telephone,Alarm", "telephone"),
        ("Bell,Telephone,Alarm", "telephone"),
        ("Giggle,Laughter,Human_voice", "laughter"),
        ("Mechanical_fan,Mechanisms", "domestic_sounds"),
        ("Domestic_sounds_and_home_sounds", None),
        ("Walk_and_footsteps", "footsteps"),
        ("Bark,Walk_and_footsteps,Dog,Domestic_animals_and_pets,Animal", None),
        ("Slam,Door,Domestic_sounds_and_home_sounds", "door"),
        ("Doorbell,Door,Domestic_sounds_and_home_sounds,Alarm", None),
        ("Knock,Door,Domestic_sounds_and_home_sounds", "knock"),
        ("Music", "music"),
        ("Musical_instrument,Music", "musical_instrument"),
        ("Cowbell,Percussion,Musical_instrument,Music,Bell", "musical_instrument"),
        ("Water_tap_and_faucet,Sink_(filling_or_washing),Domestic_sounds_and_home_sounds", "water_tap"),
        ("Bicycle_bell,Bell,Alarm,Bicycle,Vehicle", "bell"),
        ("Bell,Train,Rail_transport,Vehicle", None),
        ("Bell", "bell"),
    ],
)
def test_labels_of_fsd50k_mean_one_class_or_none(labels: str, name: str | None) -> None:
    assert match_class(frozenset(labels.split(","))) == name


def test_the_table_of_meanings_is_whole_and_gives_no_name_to_two_classes() -> None:
    assert tuple(MEANINGS) == DCASE2025.names
    names = [word for meaning in MEANINGS.values() for word in meaning.names.split()]
    categories = [word for meaning in MEANINGS.values() for word in meaning.esc50.split()]
    assert len(set(names)) == len(names)
    assert len(set(categories)) == len(categories)
    assert all(match_class(frozenset([word])) is not None for word in names)


def test_esc50_is_read_as_it_is_unpacked(tmp_path: Path) -> None:
    rows = [
        "filename,fold,target,category,esc10,src_file,take",
        "1-100-A-30.wav,1,30,door_wood_knock,False,100,A",
        "1-100-B-30.wav,1,30,door_wood_knock,False,100,B",
        "1-200-A-0.wav,1,0,dog,True,200,A",
        "2-300-A-26.wav,2,26,laughing,False,300,A",
    ]
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text("\n".join(rows))
    bank = load_bank(tmp_path, DCASE2025, "train")
    assert bank.present == [4, 12]
    assert bank.classes[12] == (("audio/1-100-A-30.wav", "audio/1-100-B-30.wav"),)
    assert bank.entries["audio/1-100-A-30.wav"].group == "100"
    with pytest.raises(UsageError, match="there is no sound for any class of two"):
        load_bank(tmp_path, TWO, "train")


# The split


def test_no_group_is_on_both_sides_of_the_split(tmp_path: Path) -> None:
    kept, other = (load_bank(folder_of(tmp_path), TWO, side) for side in ("train", "held"))
    for cls in range(2):
        assert not set(kept.classes[cls]) & set(other.classes[cls])
        assert [len(bank.classes[cls]) for bank in (kept, other)] == [5, 1]


def test_the_split_hangs_on_the_names_of_groups_alone(tmp_path: Path) -> None:
    """The order is that of SHA-256, so that it is the same for ever."""
    rows = [f"bell,g{group},{group}.wav,acme" for group in range(10)]
    (tmp_path / "manifest.csv").write_text("\n".join(["class,group,path,source", *rows]))
    by_hash = sorted(range(10), key=lambda group: hashlib.sha256(f"acme/g{group}".encode()).hexdigest())
    assert set(load_bank(tmp_path, DCASE2025, "held").keys) == {f"{group}.wav" for group in by_hash[:2]}
    assert set(load_bank(tmp_path, DCASE2025, "train").keys) == {f"{group}.wav" for group in by_hash[2:]}


def test_a_table_that_names_sides_is_split_as_it_says(tmp_path: Path) -> None:
    rows = ["bell,a,a.wav,fit", "bell,b,b.wav,train", "bell,c,c.wav,train", "knock,d,d.wav,held"]
    (tmp_path / "manifest.csv").write_text("\n".join(["class,group,path,side", *rows]))
    kept, other, fitted = (load_bank(tmp_path, DCASE2025, side) for side in ("train", "held", "fit"))
    # The one group of knocks is held out, and none of the bells.
    assert set(kept.keys) == {"b.wav", "c.wav"}
    assert set(other.keys) == {"d.wav"}
    assert set(fitted.keys) == {"a.wav"}
    with pytest.raises(UsageError, match=r"no sound for any class of dcase2025 that is held out; .* the side held"):
        load_bank(tmp_path, DCASE2025, "held", only=[11])


def test_without_sides_fusion_is_fitted_on_what_trains(tmp_path: Path) -> None:
    assert load_bank(folder_of(tmp_path), TWO, "fit").keys == load_bank(tmp_path, TWO, "train").keys


def test_sources_can_be_left_out(tmp_path: Path) -> None:
    rows = ["acme,a,a.wav", "acme,b,b.wav", "free,c,c.wav", "free,d,d.wav"]
    (tmp_path / "manifest.csv").write_text("\n".join(["class,source,group,path", *(f"bell,{row}" for row in rows)]))
    keys = {key for side in ("train", "held") for key in load_bank(tmp_path, DCASE2025, side, exclude=["acme"]).keys}
    assert keys == {"c.wav", "d.wav"}
    with pytest.raises(UsageError, match=r"to leave out, got osu; the manifest's column source has acme, free: .*"):
        load_bank(tmp_path, DCASE2025, "train", exclude=["acme", "osu"])


def test_sides_that_a_table_names_as_their_ranks_would_change_nothing(tmp_path: Path) -> None:
    """Not even the order, in which sounds are drawn."""
    groups = [f"g{number}" for number in range(10)]
    (tmp_path / "manifest.csv").write_text("\n".join(["class,group,path", *(f"bell,{g},{g}.wav" for g in groups)]))
    before = [load_bank(tmp_path, DCASE2025, side).keys for side in ("train", "held")]
    rows = [f"bell,{g},{g}.wav,{'held' if f'{g}.wav' in before[1] else 'train'}" for g in groups]
    (tmp_path / "manifest.csv").write_text("\n".join(["class,group,path,side", *rows]))
    assert [load_bank(tmp_path, DCASE2025, side).keys for side in ("train", "held")] == before


def test_a_class_with_one_group_has_nothing_held_out(tmp_path: Path) -> None:
    write(tmp_path / "hiss" / "a.wav")
    with pytest.raises(UsageError, match="no sound for any class of two that is held out; that takes a class with two"):
        load_bank(tmp_path, TWO, "held")


def test_only_some_classes_are_listed_where_some_are_asked_for(tmp_path: Path) -> None:
    assert load_bank(folder_of(tmp_path), TWO, "train", only=[1]).present == [1]


def test_the_development_sounds_are_split_as_their_table_says(shared: Path) -> None:
    sizes = []
    for side in ("train", "held"):
        bank = load_bank(shared / "data" / "soundbank", DCASE2025, side)
        sizes.append([len(bank.classes[cls]) for cls in (0, 2, 11)])
        sound = bank.read_sound(bank.draw(0, np.random.default_rng(0)))
        assert np.sqrt(np.square(sound.samples).mean()) < 2 * REFERENCE_RMS
    assert sizes == [[118, 40, 76], [24, 8, 15]]


# Drawing


def test_groups_are_drawn_evenly_whatever_their_size() -> None:
    sounds = {
        f"{name}{turn}": held(name, tone(440, 0.2)) for name, count in (("a", 1), ("b", 9)) for turn in range(count)
    }
    bank, rng = SoundBank.from_sounds(TWO, sounds), np.random.default_rng(0)
    drawn = [bank.draw(0, rng)[0] for _ in range(1000)]
    assert 450 < drawn.count("a") < 550
    assert bank.is_same_group("b3") == tuple(f"b{turn}" for turn in range(9))


def test_sources_are_drawn_by_the_square_root_of_their_groups(tmp_path: Path) -> None:
    """Nine notes of one soundfont, of which each is a group, and one lone recording: three to one."""
    rows = [*(f"tone,fonts,note{number},notes/{number}.wav" for number in range(9)), "tone,lone,it,lone.wav"]
    (tmp_path / "manifest.csv").write_text(
        "\n".join(["class,source,group,path,side", *(f"{row},train" for row in rows)])
    )
    for name in [*(f"notes/{number}" for number in range(9)), "lone"]:
        write(tmp_path / f"{name}.wav")
    bank, rng = load_bank(tmp_path, TWO, "train"), np.random.default_rng(0)
    drawn = [bank.draw(1, rng) for _ in range(1000)]
    assert 210 < drawn.count("lone.wav") < 290
    assert all(50 < drawn.count(f"notes/{number}.wav") < 120 for number in range(9))


def test_the_same_seed_draws_the_same_whatever_was_drawn_before(tmp_path: Path) -> None:
    write(tmp_path / "hiss" / "silent.wav", np.zeros(4800, np.float32))
    bank = load_bank(folder_of(tmp_path), TWO, "train", on_problem=lambda _: None)

    def draws(bank: SoundBank) -> list[str]:
        rng = np.random.default_rng(5)
        return [bank.draw(0, rng) for _ in range(30)]

    first = draws(bank)
    assert draws(bank) == first
    assert draws(load_bank(tmp_path, TWO, "train", on_problem=lambda _: None)) == first


def broken(tmp_path: Path, good: int = 1) -> Path:
    """One group of hisses: one that is silent, one that is no sound, one that is not there."""
    for turn in range(good):
        write(tmp_path / f"good{turn}.wav")
    write(tmp_path / "silent.wav", np.zeros(4800, np.float32))
    (tmp_path / "text.wav").write_bytes(b"no sound")
    names = [*(f"good{turn}" for turn in range(good)), "silent", "text", "gone"]
    (tmp_path / "manifest.csv").write_text("\n".join(["class,group,path", *(f"hiss,a,{name}.wav" for name in names)]))
    return tmp_path


def test_a_broken_sound_is_reported_once_and_another_is_drawn(tmp_path: Path) -> None:
    problems: list[str] = []
    bank = load_bank(broken(tmp_path, good=3), TWO, "train", on_problem=problems.append)
    rng = np.random.default_rng(0)
    assert {bank.draw(0, rng) for _ in range(50)} == {"good0.wav", "good1.wav", "good2.wav"}
    unread = "passed over: expected a sound that FFmpeg reads"
    assert sorted(problems) == [
        f"{unread} (Invalid data found when processing input): {tmp_path / 'text.wav'}",
        f"{unread} (No such file or directory): {tmp_path / 'gone.wav'}",
        f"passed over: the sound is silent: {tmp_path / 'silent.wav'}",
    ]


def test_without_a_listener_the_first_broken_sound_is_an_error(tmp_path: Path) -> None:
    bank = load_bank(broken(tmp_path, good=0), TWO, "train")
    with pytest.raises(MediaError, match=r"\.wav$"):
        bank.draw(0, np.random.default_rng(0))


def test_where_every_sound_is_broken_drawing_ends(tmp_path: Path) -> None:
    bank = load_bank(broken(tmp_path, good=0), TWO, "train", on_problem=lambda _: None)
    with pytest.raises(MediaError, match="wav"):
        bank.draw(0, np.random.default_rng(0))


# Reading


def test_silence_at_both_ends_is_cut_off() -> None:
    silence, quiet = np.zeros(12_000, np.float32), tone(300, 0.2, 0.1 * 10 ** (-(ACTIVE_RANGE_DB + 6) / 20))
    sound = normalize_sound(0, "a", np.concatenate([silence, quiet, tone(500, 1.0), quiet, silence]))
    assert sound.active.tolist() == [True] * 10
    assert sound.samples.size == 24_000
    assert np.abs(sound.samples[:240]).max() > 0.05


def test_rumble_is_taken_off_before_the_level_is_set(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(500, 1.0) + 3 * tone(10, 1.0))
    spectrum = np.abs(np.fft.rfft(read_sound(0, "a", path).samples))
    assert spectrum[10] < 0.25 * spectrum[500]


def test_pauses_inside_a_sound_stay_and_are_not_active() -> None:
    pause = np.zeros(12_000, np.float32)
    sound = held("a", np.concatenate([tone(500, 0.5), pause, tone(500, 0.5)]))
    assert sound.active.tolist() == [True] * 5 + [False] * 5 + [True] * 5


@pytest.mark.parametrize("level", [0.003, 0.9])
def test_every_sound_has_the_reference_level_over_its_active_frames(level: float) -> None:
    samples = np.concatenate([tone(500, 0.5, level), np.zeros(4800, np.float32), tone(500, 0.3, level)])
    sound = held("a", samples)
    active = sound.samples.reshape(-1, 2400)[sound.active]
    assert np.sqrt(np.square(active).mean()) == pytest.approx(REFERENCE_RMS, rel=1e-4)


def test_a_click_fills_one_frame() -> None:
    sound = held("a", tone(500, 0.011))
    assert sound.samples.size == 2400
    assert sound.active.tolist() == [True]


def test_what_lies_beyond_a_minute_is_not_read(tmp_path: Path) -> None:
    sound = read_sound(0, "a", write(tmp_path / "long.wav", tone(500, 61.0)))
    assert sound.samples.size == 60 * SAMPLE_RATE_HZ


def test_sounds_at_another_rate_and_in_stereo_become_mono_at_24_khz(tmp_path: Path) -> None:
    time_s = np.arange(44_100) / 44_100
    stereo = (0.2 * np.sin(2 * np.pi * 1000 * time_s) * [[1.0], [0.5]]).T
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes((stereo * 32_767).astype("<i2").tobytes())
    sound = read_sound(0, "a", tmp_path / "a.wav")
    assert sound.samples.size == SAMPLE_RATE_HZ
    assert pitch_hz(sound.samples) == pytest.approx(1000, rel=0.001)


def test_a_file_of_pictures_alone_and_one_with_nan_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    with pytest.raises(MediaError, match=r"expected a file with sound, found no audio stream in it: .*picture\.png"):
        read_sound(0, "a", tmp_path / "picture.png")
    wavfile.write(tmp_path / "nan.wav", SAMPLE_RATE_HZ, np.full(4800, np.nan, np.float32))
    with pytest.raises(MediaError, match=r"the sound holds NaN or Inf; export it anew: .*nan\.wav"):
        read_sound(0, "a", tmp_path / "nan.wav")


def test_the_cache_is_bounded_and_gives_the_same_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sounds_module, "REMEMBERED_S", 1.0)
    bank = load_bank(folder_of(tmp_path), TWO, "train")
    first = {key: bank.read_sound(key).samples for key in bank.keys}
    assert len(bank._memory.sounds) == 3  # of 0.3 s each
    assert bank._memory.seconds == pytest.approx(0.9)
    assert bank.read_sound(bank.keys[-1]).samples is first[bank.keys[-1]]
    assert bank.read_sound(bank.keys[0]).samples is not first[bank.keys[0]]
    np.testing.assert_array_equal(bank.read_sound(bank.keys[0]).samples, first[bank.keys[0]])


def fail(problem: str) -> None:
    raise AssertionError(problem)


def digest_and_sum(bank: SoundBank, keys: Sequence[str]) -> list[tuple[str, float]]:
    return [(bank.hash_sound(key), float(np.abs(bank.read_sound(key).samples).sum())) for key in keys]


def test_a_bank_works_in_a_spawned_worker(tmp_path: Path) -> None:
    bank = load_bank(folder_of(tmp_path, groups=2), TWO, "train", on_problem=fail)
    here = digest_and_sum(bank, bank.keys)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(digest_and_sum, (bank, bank.keys)) == here


def test_what_was_read_does_not_travel_with_the_bank() -> None:
    bank = SoundBank.from_sounds(TWO, {"a": held("a", tone(440, 0.2))})
    bank.read_sound("a")
    assert not pickle.loads(pickle.dumps(bank))._memory.sounds


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    bank = load_bank(broken(tmp_path), TWO, "train")
    assert bank.hash_sound("text.wav") == hashlib.sha256(b"no sound").hexdigest()
    with pytest.raises(MediaError, match=r"expected a sound that can be read .*gone\.wav"):
        bank.hash_sound("gone.wav")


def test_a_key_that_the_bank_does_not_hold_is_named() -> None:
    bank = SoundBank.from_sounds(TWO, {"a": held("a", tone(440, 0.2))})
    for call in (bank.read_sound, bank.is_same_group, bank.hash_sound):
        with pytest.raises(UsageError, match="expected a sound of the bank, which holds 1, got 'b'"):
            call("b")


# Playing


def pitch_hz(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size), 4 * samples.size))
    return float(power.argmax() / (4 * samples.size) * SAMPLE_RATE_HZ)


@pytest.mark.parametrize(
    ("speed", "semitones"), [(1.1, 0.0), (0.8, 0.0), (1.0, 3.0), (1.0, -4.0), (1.25, -2.0), (0.9, 5.0), (1.0, 12.0)]
)
def test_speed_and_semitones_move_pitch_and_length_as_they_should(speed: float, semitones: float) -> None:
    samples = tone(440, 3.0)
    result = change_speed_and_pitch(samples, speed, semitones)
    assert result.size == pytest.approx(samples.size / speed, rel=0.01)
    assert pitch_hz(result) == pytest.approx(440 * speed * 2 ** (semitones / 12), rel=0.01)
    ends = round(0.1 * SAMPLE_RATE_HZ)
    assert result[ends:-ends].std() == pytest.approx(samples.std(), rel=0.05)
    assert result.dtype == np.float32


def test_noise_keeps_its_length_and_end_when_its_pitch_is_moved() -> None:
    noise = (np.random.default_rng(0).standard_normal(48_000) * 0.05).astype(np.float32)
    for semitones in (-7.0, -1.0, 1.0, 7.0):
        result = change_speed_and_pitch(noise, 1.0, semitones)
        assert result.size == 48_000
        assert result[-1200:].std() > 0.5 * noise.std()


def test_onsets_move_by_20_ms_at_most() -> None:
    clicks = np.zeros(48_000, np.float32)
    for start in (0, 12_000, 30_000):
        clicks[start : start + 200] = 0.5
    for semitones in (-3.0, 3.0):
        level = np.abs(change_speed_and_pitch(clicks, 1.0, semitones))
        for start in (0, 12_000, 30_000):
            near = level[max(0, start - 480) : start + 680]
            assert near.max() > 0.25


def test_playing_as_recorded_returns_the_very_array() -> None:
    samples = tone(440, 0.5)
    assert change_speed_and_pitch(samples, 1.0, 0.0) is samples


@pytest.mark.parametrize(("speed", "semitones"), [(0.4, 0.0), (2.1, 0.0), (1.0, 13.0), (float("nan"), 0.0)])
def test_what_no_tape_can_play_is_refused(speed: float, semitones: float) -> None:
    with pytest.raises(UsageError, match=r"expected a speed of 0.5 to 2.0 and at most 12 semitones up or down, got"):
        change_speed_and_pitch(tone(440, 0.1), speed, semitones)


def test_a_bank_plays_its_sounds_at_the_reference_level() -> None:
    bank = SoundBank.from_sounds(TWO, {"a": held("a", tone(440, 2.0), cls=1)})
    assert bank.read_sound("a") is bank.read_sound("a")
    sound = bank.read_sound("a", speed=1.25, semitones=2.0)
    assert (sound.cls, sound.group) == (1, "a")
    assert len(sound.active) == 16
    assert pitch_hz(sound.samples) == pytest.approx(440 * 1.25 * 2 ** (2 / 12), rel=0.01)
    active = sound.samples.reshape(-1, 2400)[sound.active]
    assert np.sqrt(np.square(active).mean()) == pytest.approx(REFERENCE_RMS, rel=1e-4)
