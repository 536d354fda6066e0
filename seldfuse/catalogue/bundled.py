"""What seldfuse itself brings, registered through the hooks that everybody uses."""

from collections.abc import Callable

from seldfuse.catalogue import Feature, Writer, hookimpl


@hookimpl
def seldfuse_register_features(register: Callable[[Feature], None]) -> None:
    summaries = {
        "logmel": ("seldfuse.features.logmel:compute_logmel", "log-mel spectrograms of the two channels"),
        "ild": ("seldfuse.features.intensity:compute_ild", "level difference between left and right per mel band"),
        "intensity": (
            "seldfuse.features.intensity:compute_intensity",
            "mid-side intensity per mel band, from right to left",
        ),
        "compact-audio": (
            "seldfuse.encoders.compact_audio:compute_compact_audio",
            "64 values for what kind of sound it is, by the tagger that ships",
        ),
        "stpacc": (
            "seldfuse.features.stpacc:compute_stpacc",
            "short-term power of the autocorrelation: how the room answers",
        ),
    }
    for name, (load, summary) in summaries.items():
        register(Feature(name=name, api_version=1, summary=summary, load=load))


@hookimpl
def seldfuse_register_writers(register: Callable[[Writer], None]) -> None:
    register(
        Writer(
            name="dcase",
            api_version=1,
            summary="the challenge's CSV: frame, class, source, azimuth, distance, on-screen",
            load="seldfuse.formats.dcase:write_result",
            suffix=".csv",
            needs=("direction",),
        )
    )
    register(
        Writer(
            name="json",
            api_version=1,
            summary="events as segments in seconds, degrees and metres",
            load="seldfuse.formats.json:write_result",
            suffix=".json",
        )
    )
