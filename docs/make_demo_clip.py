"""Renders the bundled clip with the project's own renderer.

    python docs/make_demo_clip.py --speech demo-congrats.wav --music loop_safari.flac --guitar guit_e_fifths.flac OUT

Sounds: Debian's asterisk-core-sounds-en-wav and sonic-pi-samples; picture: scikit-image's astronaut. Licences stand in
docs/credits.md.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np
from skimage.data import astronaut
from skimage.transform import resize

from seldfuse.geometry import Camera
from seldfuse.labels import DCASE2025
from seldfuse.media.encode import write_video
from seldfuse.synth.render import render
from seldfuse.synth.scene import Placed, Scene
from seldfuse.synth.sounds import read_sound

FRAMES = 100
FPS = Fraction(30000, 1001)
WOMAN_AZIMUTH_DEG = 22.0
CAMERA = Camera()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("speech", "music", "guitar"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    placed = (
        # The woman in the picture speaks; the music and the guitar are outside of it.
        _place(0, "female_speech", arguments.speech, 5, 45, WOMAN_AZIMUTH_DEG, 1.5),
        _place(1, "music", arguments.music, 40, 35, -65.0, 2.0),
        _place(2, "musical_instrument", arguments.guitar, 76, 23, 70.0, 1.2),
    )
    scene = Scene(
        placed,
        critical_distance_m=2.0,
        reverberation_s=0.3,
        noise_db=-62.0,
        noise_slope=0.7,
        gain_db=0.0,
        lowpass_hz=None,
        frames=FRAMES,
    )
    audio, _ = render([scene], DCASE2025, np.random.default_rng(1))
    pictures = [_picture()] * round(FRAMES / 10 * FPS)
    write_video(arguments.out, pictures, FPS, audio[0].numpy())


def _place(lane: int, name: str, path: Path, first: int, frames: int, azimuth_deg: float, distance_m: float) -> Placed:
    sound = read_sound(DCASE2025.index(name), name, path)
    frames = min(frames, len(sound.active))
    return Placed(lane, sound, first, 0, frames, azimuth_deg, 0.0, distance_m, 0.0)


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
