"""Everything that seldfuse itself brings, apart from the plugins that it is shipped with: one value for each.

To add one, write its file and one value here. Registered through the hooks that everybody uses.
"""

from collections.abc import Callable

from seldfuse.catalogue.hooks import hookimpl
from seldfuse.catalogue.values import Feature, Writer

LICENSE = "Apache-2.0"

FEATURES = (
    Feature(
        name="spectrum",
        api_version=2,
        summary="short-time Fourier transform of the two channels",
        license=LICENSE,
        compute="seldfuse.features.spectrum:compute_spectrum",
        channels=2,
        bins=513,
        listed=False,
    ),
    Feature(
        name="mel_power",
        api_version=2,
        summary="power of the two channels per mel band",
        license=LICENSE,
        compute="seldfuse.features.spectrum:compute_mel_power",
        channels=2,
        axis="mel",
        needs=("spectrum",),
        listed=False,
    ),
    Feature(
        name="logmel",
        api_version=2,
        summary="log-mel spectrograms of the two channels",
        license=LICENSE,
        compute="seldfuse.features.logmel:compute_logmel",
        channels=2,
        axis="mel",
        needs=("mel_power",),
        mirror="swap",
        add="seldfuse.features.logmel:add_logmel",
        level="decibel",
    ),
    Feature(
        name="ild",
        api_version=2,
        summary="level difference between left and right per mel band",
        license=LICENSE,
        compute="seldfuse.features.ild:compute_ild",
        axis="mel",
        needs=("mel_power",),
        mirror="negate",
        add="seldfuse.features.ild:add_ild",
        level="independent",
        alike=("intensity",),
    ),
    Feature(
        name="intensity",
        api_version=2,
        summary="mid-side intensity per mel band, from right to left",
        license=LICENSE,
        compute="seldfuse.features.intensity:compute_intensity",
        axis="mel",
        needs=("mel_power",),
        mirror="negate",
        add="seldfuse.features.intensity:add_intensity",
        level="independent",
        alike=("ild",),
    ),
    Feature(
        name="stpacc",
        api_version=2,
        summary="short-term power of the autocorrelation: how the room answers",
        license=LICENSE,
        compute="seldfuse.features.stpacc:compute_stpacc",
        axis="lag",
        mirror="same",
        add="seldfuse.features.stpacc:add_stpacc",
        level="independent",
    ),
)

WRITERS = (
    Writer(
        name="dcase",
        api_version=2,
        summary="the challenge's CSV: frame, class, source, azimuth, distance, on-screen",
        license=LICENSE,
        write="seldfuse.formats.dcase:write_result",
        suffix=".csv",
        needs=("direction",),
    ),
    Writer(
        name="json",
        api_version=2,
        summary="events as segments in seconds, degrees and metres",
        license=LICENSE,
        write="seldfuse.formats.json:write_result",
        suffix=".json",
    ),
)


@hookimpl
def seldfuse_register_features(register: Callable[[Feature], None]) -> None:
    for value in FEATURES:
        register(value)


@hookimpl
def seldfuse_register_writers(register: Callable[[Writer], None]) -> None:
    for value in WRITERS:
        register(value)
