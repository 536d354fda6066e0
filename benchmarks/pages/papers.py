"""The systems of the papers, ours beside what was published: the first table of `docs/results.md`."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.pages.scores import spread, title
from benchmarks.pages.tables import Row, table
from benchmarks.studies.post import AUDIO, OURS, POSTS, PUBLISHED, REAL
from seldfuse.metrics.registered import UNKNOWN

BEGIN = "<!-- made by make results: papers -->"

Document = Mapping[str, Any]

AUDIO_SYSTEMS = {
    "baseline": ("baseline", "f20_1", "0.23 / 24.5 / 0.41"),
    "doa": ("SED-DOA", "f20", "0.50 / 12.5 / –"),
    "sde": ("SED-SDE", "f1", "0.53 / – / 0.26"),
    "sce": ("SED-SCE", "f20_1", "0.50 / 12.8 / 0.27"),
    "mean of doa, sde, sce": ("ensemble, mean", "f20_1", UNKNOWN),
    "nercslip of doa, sde, sce": ("ensemble, nercslip", "f20_1", "0.54 / 11.8 / 0.26"),
    "tuned of doa, sde, sce": ("ensemble, tuned", "f20_1", UNKNOWN),
}
"""By the name in results.json: what the papers call it, the F that is asked of it, their F, DOAE in degrees and RDE."""

VIDEO_SYSTEMS = {
    "SED-SCE-ONS": "0.38 / 12.6 / 0.28 / 0.81",
    "TS-SED-SCE-ONS": "0.39 / 12.5 / 0.29 / 0.80",
    "CMC": UNKNOWN,
    AUDIO: UNKNOWN,
    PUBLISHED: "0.43 / 11.7 / 0.26 / 0.80",
    OURS: UNKNOWN,
}
"""By the name in post.json, the papers' F20/1/on, DOAE in degrees, RDE and OSA."""

CORRECTED = {(PUBLISHED, POSTS[-1]): "0.47 / 11.8 / 0.26 / 0.86"}

NAMES = {
    AUDIO: "audio models, nothing called on-screen",
    PUBLISHED: "ensemble as published (SED-SCE-ONS, TS-SED-SCE-ONS, SED-SCE)",
    OURS: "ours (with CMC and all audio models)",
}
STEPS = {"keypoint": "+ keypoint", "keypoint,gdino": "+ keypoint + gdino"}
SCORES = ("f20_1_on", "f20_1", "doae_deg", "rde", "osa")
"""What the papers report, and F20/1 beside it."""
POOLED = ("f20_1_on", "osa")
ERRORS = ("doae_deg", "rde")


def tables(audio: Document, video: Document) -> str:
    """Format what results.json and post.json hold of them as Markdown."""
    return "\n\n".join(_blocks(audio, video)) + "\n"


def _blocks(audio: Document, video: Document) -> Iterator[str]:
    (name, measured), *_ = audio["sets"].items()
    yield (
        "The right column is what the papers report of the challenge's recordings (the baseline's README, NERC-SLIP's\n"
        "DCASE 2025 report): another data set, and much larger networks. What can be compared is the order and the\n"
        "gains. The challenge's audio-visual baseline, which is none of the backends, has 0.20 / 23.8 / 0.40 / 0.80.\n"
        "\n"
        f"Audio, {measured['clips']:,} scenes of {name}; *F* is the one that is named:"
    )
    heads = ("system", "score", "F, strict", "F, official", *map(title, ERRORS), "papers: F / DOAE / RDE")
    yield table(heads, _audio_rows(measured))
    source = REAL if _has_real_engines(video) else "exact detections"
    yield f"Sound and picture, {video['clips']} scenes, corrected by {source}:"
    first, *others = map(title, SCORES)
    scores = (first, "official", *others, *(f"{title(name)}, pooled" for name in POOLED))
    yield table(("system", *scores, "papers: F / DOAE / RDE / OSA"), _video_rows(video))


def _audio_rows(measured: Document) -> Iterator[Row]:
    for name, (system, asked, published) in AUDIO_SYSTEMS.items():
        strict, official = (measured[mode]["scores"][name] for mode in ("strict", "official"))
        own = (spread(asked, strict[asked]), spread(asked, official[asked]))
        yield system, title(asked), *own, *(spread(score, strict[score]) for score in ERRORS), published


def _video_rows(document: Document) -> Iterator[Row]:
    engine = REAL if _has_real_engines(document) else "exact"
    for system in document["systems"]:
        name = system["name"]
        yield NAMES.get(name, name), *_cells(system["heard"]), VIDEO_SYSTEMS[name]
        for post, step in STEPS.items():
            for row in system["seen"]:
                if (row["detections"], row["post"], row["mode"]) == (engine, post, "bayes"):
                    yield step, *_cells(row), CORRECTED.get((name, post), UNKNOWN)


def _cells(row: Document) -> Iterator[str]:
    first, *others = (spread(name, row["scores"][name]) for name in SCORES)
    yield first
    yield spread("f20_1_on", row["official"]["scores"]["f20_1_on"])
    yield from others
    yield from (spread(name, row["pooled"][name]) for name in POOLED)


def _has_real_engines(document: Document) -> bool:
    return any(row["detections"] == REAL for system in document["systems"] for row in system["seen"])
