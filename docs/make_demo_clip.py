"""Renders the bundled clip with the project's own renderer.

    python docs/make_demo_clip.py --speech demo-congrats.wav --music loop_safari.flac --guitar guit_e_fifths.flac OUT

Sounds: Debian's asterisk-core-sounds-en-wav and sonic-pi-samples; picture: scikit-image's astronaut. Licences stand in
docs/credits.md.
"""

import argparse
import math
from fractions import Fraction
from pathlib import Path as File

import numpy as np
from skimage.data import astronaut
from skimage.transform import resize

from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.media.encode import write_video
from seldfuse.synth.render import render_scenes
from seldfuse.synth.rooms.shoebox import find_absorption
from seldfuse.synth.scene import Ambience, Room, ScenePlan, ScenePlanSource, SoundTake, SourcePath
from seldfuse.synth.sounds.soundbank import SoundBank, read_sound

FRAMES = 100
FPS = Fraction(30000, 1001)
WOMAN_AZIMUTH_DEG = 22.0
CAMERA = Camera()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("speech", "music", "guitar"):
        parser.add_argument(f"--{name}", type=File, required=True)
    parser.add_argument("out", type=File)
    arguments = parser.parse_args()
    sources = (
        # The woman in the picture speaks; the music and the guitar are outside of it.
        _source("female_speech", 0.5, 4.5, WOMAN_AZIMUTH_DEG, 1.5),
        _source("music", 4.0, 3.5, -65.0, 2.0),
        _source("musical_instrument", 7.6, 2.3, 70.0, 1.2),
    )
    paths = {"female_speech": arguments.speech, "music": arguments.music, "musical_instrument": arguments.guitar}
    sounds = {name: read_sound(DCASE2025.index(name), name, path) for name, path in paths.items()}
    scene = ScenePlan(sources, _room(), Ambience(noise_db=-62.0, slope=1.0), frames=FRAMES)
    audio, _ = render_scenes([scene], SoundBank.from_sounds(DCASE2025, sounds))
    pictures = [_picture()] * round(FRAMES / 10 * FPS)
    write_video(arguments.out, pictures, FPS, audio[0].numpy())


def _source(name: str, start_s: float, duration_s: float, azimuth_deg: float, distance_m: float) -> ScenePlanSource:
    azimuth = math.radians(azimuth_deg)
    place_m = (distance_m * math.cos(azimuth), distance_m * math.sin(azimuth), 0.0)
    return ScenePlanSource(DCASE2025.index(name), (SoundTake(name, start_s, duration_s),), SourcePath(place_m, place_m))


def _room() -> Room:
    size_m = (6.0, 5.0, 3.0)
    absorption = find_absorption(np.array(size_m), np.ones((6, 7)), np.full(7, 0.3))
    return Room(size_m, (2.5, 2.5, 1.5), 0.0, tuple(tuple(map(float, wall)) for wall in absorption))


def _picture() -> np.ndarray:
    """A plain room, and the woman where her voice comes from."""
    height, width = CAMERA.height_px, CAMERA.width_px
    row = np.linspace(0.0, 1.0, height)[:, None, None]
    wall, floor = np.array([196.0, 190.0, 178.0]), np.array([120.0, 98.0, 78.0])
    room = np.where(row < 0.72, wall * (1.0 - 0.25 * row), floor * (1.3 - 0.5 * row)) * np.ones((1, width, 1))
    person = resize(astronaut()[:300, 90:370], (268, 250), anti_aliasing=True) * 255.0
    mouth_column, mouth_row = 122, 120
    left = round(float(CAMERA.x_from_azimuth(WOMAN_AZIMUTH_DEG))) - mouth_column
    top = height - person.shape[0]
    assert top + mouth_row > 0
    room[top:, left : left + person.shape[1]] = person
    return room.round().astype(np.uint8)


if __name__ == "__main__":
    main()
