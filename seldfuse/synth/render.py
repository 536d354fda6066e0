"""Plans of scenes to sound and truth, batched, on any device.

The pair is coincident (mid-side): L = W + Y', R = W − Y', where Y' is the signal of a figure of eight that points to
the view's left. Source by source, the dry sound passes through the room (`rooms`, `standing`, `moving`, or a measured
response); a diffuse ambience is added; then comes what cheap equipment does (`recording_chain`).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
import torch
from jaxtyping import Bool, Complex, Float, Int
from scipy.signal import cheby2, sosfilt
from torch import Tensor

from seldfuse.core.grid import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from seldfuse.errors import UsageError
from seldfuse.synth.recording_chain import apply_chain
from seldfuse.synth.rooms.directivity import Directivity, filter_direct
from seldfuse.synth.rooms.measured import ResponseSet, convert_to_mid_side
from seldfuse.synth.rooms.moving import StraightPaths, render_direct, render_reflections
from seldfuse.synth.rooms.noise import draw_noise
from seldfuse.synth.rooms.shoebox import ShoeboxRooms
from seldfuse.synth.rooms.standing import RESPONSE_SAMPLES, compute_directed, compute_late, compute_reflections
from seldfuse.synth.scene import MeasuredRoom, Room, ScenePlan, SoundTake, SourcePath
from seldfuse.synth.sounds.soundbank import SoundBank
from seldfuse.synth.truth import SceneTruth, compute_truth

PEAK = 0.99
"""Louder scenes are turned down to this before they meet the equipment."""

_FADE = SAMPLE_RATE_HZ // 200


class RenderedScenes(NamedTuple):
    """Stereo sound at 24 kHz and what sounded."""

    audio: Float[Tensor, "batch 2 sample"]
    truth: SceneTruth


class _Cast(NamedTuple):
    """All sources of a batch, one after the other; `room` is −1 in the open and in measured rooms.

    `table_m` is how far below the microphone a table is, 0 where there is none.
    """

    scene: Int[Tensor, "source"]
    room: Int[Tensor, "source"]
    moves: Bool[Tensor, "source"]
    walks: StraightPaths
    tail_starts: list[int]
    directivity: Directivity
    table_m: Float[Tensor, "source"]
    table_gain: Float[Tensor, "source"]


def render_scenes(
    scenes: Sequence[ScenePlan],
    bank: SoundBank,
    responses: ResponseSet | None = None,
    device: torch.device | str = "cpu",
) -> RenderedScenes:
    """Render sound and truth of scenes of one length.

    Raises ValueError where the lengths differ, MediaError where a sound cannot be read, UsageError where a plan names a
    sound or a measured response that is not there.
    """
    lengths = {scene.frames for scene in scenes}
    if len(lengths) != 1:
        raise ValueError(f"scenes of one batch must be of one length, got {sorted(lengths)} frames")
    samples = lengths.pop() * SAMPLES_PER_FRAME
    dry = torch.from_numpy(render_dry_sounds(scenes, bank, samples)).to(device)
    truth = compute_truth(scenes, bank.labels, dry)
    field = torch.zeros(len(scenes), 2, samples, device=device)
    if len(dry):
        field = field + _sources(scenes, dry, responses)
    field = field + render_noise(scenes, samples, device) + _babble(scenes, bank, samples, device)
    mid, side = field.unbind(1)
    return RenderedScenes(apply_recording_chain(torch.stack([mid + side, mid - side], dim=1), scenes), truth)


def apply_recording_chain(
    audio: Float[Tensor, "batch 2 sample"], scenes: Sequence[ScenePlan]
) -> Float[Tensor, "batch 2 sample"]:
    """Apply the recording chains of scenes to the pair; what is too loud is attenuated first."""
    audio = audio / (audio.abs().amax(dim=(1, 2), keepdim=True) / PEAK).clamp_min(1.0)
    return apply_chain(audio, [scene.wear for scene in scenes])


def render_dry_sounds(scenes: Sequence[ScenePlan], bank: SoundBank, samples: int) -> Float[np.ndarray, "source sample"]:
    """Render the sources of all scenes, one after the other, without a room, at 1 m: their takes, in the band of the
    recording, and what a surface beside them reflects.
    """
    sources = [source for scene in scenes for source in scene.sources]
    dry = np.zeros((len(sources), samples), dtype=np.float32)
    for row, source in zip(dry, sources, strict=True):
        add_takes(row, source.takes, bank, 10 ** (source.gain_db / 20), source.bandwidth_hz)
        delay = round(source.nearby_delay_s * SAMPLE_RATE_HZ)
        if delay:
            row[delay:] += np.float32(source.nearby_gain) * row[:-delay].copy()
    return dry


def add_takes(
    row: Float[np.ndarray, "sample"],
    takes: Sequence[SoundTake],
    bank: SoundBank,
    gain: float,
    bandwidth_hz: float | None = None,
) -> None:
    """Add takes to a row of samples, their ends rounded off over 5 ms: what is cut out of a sound must not click."""
    for take in takes:
        sound = bank.read_sound(take.sound, take.speed, take.semitones).samples
        offset = round(take.offset_s * SAMPLE_RATE_HZ)
        start = round(take.start_s * SAMPLE_RATE_HZ)
        piece = sound[offset : offset + round(take.duration_s * SAMPLE_RATE_HZ)][: max(0, len(row) - start)] * gain
        if bandwidth_hz is not None:
            piece = sosfilt(_design_lowpass(bandwidth_hz), piece).astype(np.float32)
        ramp = np.linspace(0.0, 1.0, min(_FADE, len(piece)), dtype=np.float32)
        piece[: len(ramp)] *= ramp
        piece[len(piece) - len(ramp) :] *= ramp[::-1]
        row[start : start + len(piece)] += piece


@lru_cache(maxsize=256)
def _design_lowpass(bandwidth_hz: float) -> Float[np.ndarray, "section 6"]:
    """Design the steep end of a recording's band, 50 dB down at `bandwidth_hz`."""
    return np.asarray(cheby2(8, 50.0, bandwidth_hz, fs=SAMPLE_RATE_HZ, output="sos"))


def compute_responses(
    scene: ScenePlan,
) -> tuple[Float[Tensor, "source 2 sample"], Float[Tensor, "source 2 sample"]]:
    """Compute the direct sound and the reverberation of the sources of a scene in a shoebox, each where it starts, in W
    and Y'. Raises ValueError where the scene has another room.
    """
    if not isinstance(scene.room, Room):
        raise ValueError(f"expected a scene in a shoebox, got {type(scene.room).__name__}")
    cast = _cast([scene], torch.device("cpu"))
    start_m = cast.walks.start_m
    rooms = ShoeboxRooms.from_scenes([scene.room])
    direct = compute_directed(start_m, -start_m, start_m, cast.directivity)
    late = compute_late(rooms, cast.room, cast.tail_starts, cast.directivity)
    return direct, late + compute_reflections(rooms, cast.room, start_m, cast.directivity)


def _sources(
    scenes: Sequence[ScenePlan], dry: Float[Tensor, "source sample"], responses: ResponseSet | None
) -> Float[Tensor, "batch 2 sample"]:
    """W and Y' of all sources, scene by scene."""
    cast = _cast(scenes, dry.device)
    rooms = ShoeboxRooms.from_scenes([scene.room for scene in scenes if isinstance(scene.room, Room)], dry.device)
    fft_samples = scipy.fft.next_fast_len(dry.shape[1] + RESPONSE_SAMPLES, real=True)
    spectra = torch.fft.rfft(dry, fft_samples)
    received = _sum(spectra, _filters(scenes, cast, rooms, responses), fft_samples, cast.scene, len(scenes))
    received = received[..., : dry.shape[1]].contiguous()
    moving = cast.moves.nonzero().squeeze(1)
    if len(moving):
        received.index_add_(0, cast.scene[moving], _render_walks(dry, spectra, fft_samples, cast, moving))
    moving = (cast.moves & (cast.room >= 0)).nonzero().squeeze(1)
    if len(moving):
        walks, directivity = cast.walks.select_rows(moving), cast.directivity.select_rows(moving)
        reflections = render_reflections(dry[moving], rooms, cast.room[moving], walks, directivity)
        received.index_add_(0, cast.scene[moving], reflections)
    return received


def _render_walks(
    dry: Float[Tensor, "source sample"],
    spectra: Complex[Tensor, "source frequency"],
    fft_samples: int,
    cast: _Cast,
    moving: Int[Tensor, "moving"],
) -> Float[Tensor, "moving 2 sample"]:
    """Render the direct sound of sources that move, and its reflection from a table."""
    walks, start_m = cast.walks.select_rows(moving), cast.walks.start_m[moving]
    direct = _direct_spectra(spectra, fft_samples, cast, moving, -start_m)
    rendered = render_direct(dry[moving], direct, fft_samples, walks)
    tabled = _under_table(cast, moving).nonzero().squeeze(1)
    if len(tabled):
        rows = moving[tabled]
        mirrored = StraightPaths(
            _mirror(walks.start_m[tabled], cast.table_m[rows]), _mirror(walks.end_m[tabled], cast.table_m[rows]),
            *walks.select_rows(tabled)[2:],
        )  # fmt: skip
        reflected = _direct_spectra(spectra, fft_samples, cast, rows, _leave_to_table(mirrored.start_m))
        gain = cast.table_gain[rows].reshape(-1, 1, 1)
        rendered.index_add_(0, tabled, gain * render_direct(dry[rows], reflected, fft_samples, mirrored))
    return rendered


def _cast(scenes: Sequence[ScenePlan], device: torch.device) -> _Cast:
    sources = [(number, source) for number, scene in enumerate(scenes) for source in scene.sources]
    paths = [source.path for _, source in sources]
    shoeboxes = np.cumsum([isinstance(scene.room, Room) for scene in scenes]) - 1
    rooms = [int(shoeboxes[number]) if isinstance(scenes[number].room, Room) else -1 for number, _ in sources]
    measured = [isinstance(scenes[number].room, MeasuredRoom) for number, _ in sources]
    boxes = [scene.room if isinstance(scene.room, Room) else None for scene in scenes for _ in scene.sources]
    # What was measured has the directivity of its own source.
    strengths = [0.0 if still else source.directivity for (_, source), still in zip(sources, measured, strict=True)]
    return _Cast(
        torch.tensor([number for number, _ in sources], device=device),
        torch.tensor(rooms, device=device),
        torch.tensor([path.moves and not still for path, still in zip(paths, measured, strict=True)], device=device),
        _walks(paths, device),
        [source.tail_start for _, source in sources],
        Directivity(
            torch.tensor(strengths, dtype=torch.float32, device=device),
            torch.tensor([math.radians(source.facing_deg) for _, source in sources], device=device),
        ),
        torch.tensor([box.table_m if box else 0.0 for box in boxes], device=device),
        torch.tensor([box.table_gain if box else 0.0 for box in boxes], device=device),
    )


def _walks(paths: Sequence[SourcePath], device: torch.device) -> StraightPaths:
    return StraightPaths(
        torch.tensor([path.start_m for path in paths], dtype=torch.float32, device=device),
        torch.tensor([path.end_m for path in paths], dtype=torch.float32, device=device),
        torch.tensor([path.begin_s for path in paths], dtype=torch.float32, device=device),
        torch.tensor([path.end_s for path in paths], dtype=torch.float32, device=device),
    )


def _filters(
    scenes: Sequence[ScenePlan], cast: _Cast, rooms: ShoeboxRooms, responses: ResponseSet | None
) -> Float[Tensor, "source 2 sample"]:
    """What each dry sound is convolved with: all of the room for those who stand, the late room for the others."""
    filters = torch.zeros(len(cast.scene), 2, RESPONSE_SAMPLES, device=cast.scene.device)
    still = (~cast.moves).nonzero().squeeze(1)
    start_m = cast.walks.start_m[still]
    filters[still] = compute_directed(start_m, -start_m, start_m, cast.directivity.select_rows(still))
    tabled = still[_under_table(cast, still)]
    if len(tabled):
        start_m, directivity = cast.walks.start_m[tabled], cast.directivity.select_rows(tabled)
        image_m = _mirror(start_m, cast.table_m[tabled])
        reflected = compute_directed(start_m, _leave_to_table(image_m), image_m, directivity)
        filters[tabled] += cast.table_gain[tabled].reshape(-1, 1, 1) * reflected
    inside = (cast.room >= 0).nonzero().squeeze(1)
    if len(inside):
        starts = [cast.tail_starts[row] for row in inside.tolist()]
        filters[inside] += compute_late(rooms, cast.room[inside], starts, cast.directivity.select_rows(inside))
    still = (~cast.moves & (cast.room >= 0)).nonzero().squeeze(1)
    if len(still):
        directivity = cast.directivity.select_rows(still)
        filters[still] += compute_reflections(rooms, cast.room[still], cast.walks.start_m[still], directivity)
    row = 0
    for scene in scenes:
        if isinstance(scene.room, MeasuredRoom):
            filters[row : row + len(scene.sources)] = _draw_measured(scene.room, responses).to(filters.device)
        row += len(scene.sources)
    return filters


def _under_table(cast: _Cast, which: Int[Tensor, "row"]) -> Bool[Tensor, "row"]:
    """Test whose sound a table reflects: it is there, and they stay above it."""
    lowest_m = torch.minimum(cast.walks.start_m[which, 2], cast.walks.end_m[which, 2])
    return (cast.table_m[which] > 0) & (lowest_m > -cast.table_m[which])


def _mirror(place_m: Float[Tensor, "row 3"], table_m: Float[Tensor, "row"]) -> Float[Tensor, "row 3"]:
    """Compute where places are seen in a table that is so far below the microphone."""
    x, y, z = place_m.unbind(-1)
    return torch.stack([x, y, -2 * table_m - z], dim=-1)


def _leave_to_table(image_m: Float[Tensor, "row 3"]) -> Float[Tensor, "row 3"]:
    """Compute along which vectors sound leaves a source whose mirror image in a table is at a place."""
    return image_m * image_m.new_tensor([-1.0, -1.0, 1.0])


def _direct_spectra(
    spectra: Complex[Tensor, "source frequency"],
    fft_samples: int,
    cast: _Cast,
    rows: Int[Tensor, "row"],
    leaving: Float[Tensor, "row 3"],
) -> Complex[Tensor, "row frequency"]:
    """Select dry sounds as sources of some directivity send them along vectors; who moves keeps turned alike."""
    chosen, directivity = spectra[rows], cast.directivity.select_rows(rows)
    if directivity.directed.any():
        chosen = chosen * filter_direct(directivity, cast.walks.start_m[rows], leaving, fft_samples)
    return chosen


def _draw_measured(room: MeasuredRoom, responses: ResponseSet | None) -> Float[Tensor, "source 2 sample"]:
    if responses is None:
        raise UsageError("the plan has measured rooms: give the folder of their responses with --srir")
    filters = torch.zeros(len(room.responses), 2, RESPONSE_SAMPLES)
    for row, key in zip(filters, room.responses, strict=True):
        pair = torch.from_numpy(np.stack(convert_to_mid_side(responses.get_response(key).foa, room.yaw_deg)))[
            :, :RESPONSE_SAMPLES
        ]
        row[:, : pair.shape[1]] = pair
    return filters


def _sum(
    spectra: Complex[Tensor, "source frequency"],
    filters: Float[Tensor, "source 2 sample"],
    fft_samples: int,
    scene: Int[Tensor, "source"],
    scenes: int,
) -> Float[Tensor, "batch 2 longer"]:
    """Convolutions of all sources, added up scene by scene before the way back from the spectrum."""
    field = spectra.new_zeros(scenes, 2, spectra.shape[1])
    field.index_add_(0, scene, spectra.unsqueeze(1) * torch.fft.rfft(filters, fft_samples))
    received: Tensor = torch.fft.irfft(field, fft_samples)
    return received


def render_noise(
    scenes: Sequence[ScenePlan], samples: int, device: torch.device | str
) -> Float[Tensor, "batch 2 sample"]:
    """Render background noise, W and Y'."""
    noise = torch.zeros(len(scenes), 2, samples, device=device)
    ambiences = {row: scene.ambience for row, scene in enumerate(scenes) if scene.ambience is not None}
    for slope in {ambience.slope for ambience in ambiences.values()}:
        rows = [row for row, ambience in ambiences.items() if ambience.slope == slope]
        level = torch.tensor([10 ** (ambiences[row].noise_db / 20) for row in rows], device=device).reshape(-1, 1, 1)
        noise[rows] = draw_noise(slope, [ambiences[row].noise_start for row in rows], samples, str(device)) * level
    return noise


def _babble(
    scenes: Sequence[ScenePlan], bank: SoundBank, samples: int, device: torch.device | str
) -> Float[Tensor, "batch 2 sample"]:
    """Voices from far away, W and Y': only their late reverberation is audible."""
    babble = torch.zeros(len(scenes), 2, samples, device=device)
    rows = [row for row, scene in enumerate(scenes) if isinstance(scene.room, Room) and _babbles(scene)]
    if not rows:
        return babble
    rooms = ShoeboxRooms.from_scenes([scenes[row].room for row in rows], device)  # type: ignore[misc]
    ambiences = [ambience for row in rows if (ambience := scenes[row].ambience) is not None]
    dry = np.zeros((len(rows), samples), dtype=np.float32)
    for line, ambience in zip(dry, ambiences, strict=True):
        add_takes(line, ambience.babble, bank, 1.0)
    number = torch.arange(len(rows), device=device)
    fft_samples = scipy.fft.next_fast_len(samples + RESPONSE_SAMPLES, real=True)
    spectra = torch.fft.rfft(torch.from_numpy(dry).to(device), fft_samples)
    tails = compute_late(rooms, number, [ambience.noise_start for ambience in ambiences])
    received = _sum(spectra, tails, fft_samples, number, len(rows))[..., :samples]
    level = torch.tensor([10 ** (ambience.babble_db / 20) for ambience in ambiences], device=device)
    loud = received[:, 0].square().mean(dim=-1).sqrt().clamp_min(1e-9)
    babble[rows] = received * (level / loud).reshape(-1, 1, 1)
    return babble


def _babbles(scene: ScenePlan) -> bool:
    return scene.ambience is not None and len(scene.ambience.babble) > 0
