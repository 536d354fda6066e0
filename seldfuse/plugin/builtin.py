"""What seldfuse itself brings, registered through the hooks that everybody uses."""

from collections.abc import Callable

from seldfuse.plugin import FeatureSpec, WriterSpec, hookimpl


@hookimpl
def seldfuse_register_features(register: Callable[[FeatureSpec], None]) -> None:
    summaries = {
        "logmel": ("seldfuse.features.logmel:logmel", "log-mel spectrograms of the two channels"),
        "ild": ("seldfuse.features.stereo:ild", "level difference between left and right per mel band"),
        "intensity": ("seldfuse.features.stereo:intensity", "mid-side intensity per mel band, from right to left"),
        "compact-audio": (
            "seldfuse.features.encoders.compact_audio:compact_audio",
            "64 values for what kind of sound it is, by the tagger that ships",
        ),
        "stpacc": ("seldfuse.features.stpacc:stpacc", "short-term power of the autocorrelation: how the room answers"),
    }
    for name, (load, summary) in summaries.items():
        register(FeatureSpec(name=name, api_version=1, summary=summary, load=load))


@hookimpl
def seldfuse_register_writers(register: Callable[[WriterSpec], None]) -> None:
    register(
        WriterSpec(
            name="dcase",
            api_version=1,
            summary="the challenge's CSV: frame, class, source, azimuth, distance, on-screen",
            load="seldfuse.formats.dcase:write",
            suffix=".csv",
            needs=("direction",),
        )
    )
    register(
        WriterSpec(
            name="json",
            api_version=1,
            summary="events as segments in seconds, degrees and metres",
            load="seldfuse.formats.json:write",
            suffix=".json",
        )
    )
