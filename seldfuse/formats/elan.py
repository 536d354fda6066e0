"""Events as an annotation file of ELAN (Max Planck Institute for Psycholinguistics, EAF 3.0), a tier for each source.

Annotations of one tier must not overlap, and one source never sounds twice at a time.
"""

import mimetypes
import os
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from seldfuse.core.result import Result
from seldfuse.formats.event_text import describe_event, format_class
from seldfuse.formats.json import list_event_rows
from seldfuse.storage.atomic import write_atomically

SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"

DOCUMENT = {
    "AUTHOR": "seldfuse",
    # The format requires a date; a true one would make two files of one result differ.
    "DATE": "1970-01-01T00:00:00Z",
    "FORMAT": "3.0",
    "VERSION": "3.0",
    "xmlns:xsi": SCHEMA,
    "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
}

TYPE = "event"


def write_result(result: Result, path: Path) -> None:
    """Write a tier for each source, called by its class and, from the second of a class on, a number.

    An annotation says where its event is, "24° left, 2.0 m". The recording is linked where it is a file. Raises
    UsageError where writing fails.
    """
    document = Element("ANNOTATION_DOCUMENT", DOCUMENT)
    header = SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if result.clip is not None and result.clip.path is not None:
        SubElement(header, "MEDIA_DESCRIPTOR", _describe_media(result.clip.path, path.parent))
    times = SubElement(document, "TIME_ORDER")
    number = 0
    for tier, events in _sort_by_tier(result).items():
        element = SubElement(document, "TIER", LINGUISTIC_TYPE_REF=TYPE, TIER_ID=tier)
        for event in events:
            number += 1
            _add_annotation(element, times, number, event)
    SubElement(document, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID=TYPE, TIME_ALIGNABLE="true")
    indent(document)
    with write_atomically(path) as draft:
        ElementTree(document).write(draft, encoding="UTF-8", xml_declaration=True)


def _sort_by_tier(result: Result) -> dict[str, list[dict[str, Any]]]:
    """Events by the name of their tier, classes in their order."""
    sources: defaultdict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for event in list_event_rows(result.events):
        sources[event["class_id"], event["source"]].append(event)
    tiers: dict[str, list[dict[str, Any]]] = {}
    for _, events in sorted(sources.items()):
        name = wanted = format_class(events[0]["class"]) or "unnamed"
        again = 1
        while name in tiers:
            again += 1
            name = f"{wanted} {again}"
        tiers[name] = events
    return tiers


def _add_annotation(tier: Element, times: Element, number: int, event: dict[str, Any]) -> None:
    slots = {f"ts{2 * number - 1}": event["start_s"], f"ts{2 * number}": event["end_s"]}
    for slot, time_s in slots.items():
        SubElement(times, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(round(time_s * 1000)))
    begin, end = slots
    annotation = SubElement(
        SubElement(tier, "ANNOTATION"),
        "ALIGNABLE_ANNOTATION",
        ANNOTATION_ID=f"a{number}",
        TIME_SLOT_REF1=begin,
        TIME_SLOT_REF2=end,
    )
    SubElement(annotation, "ANNOTATION_VALUE").text = describe_event(event)


def _describe_media(media: Path, folder: Path) -> dict[str, str]:
    """Say where the recording is, also as seen from the folder, so that both may be moved together."""
    found = {
        "MEDIA_URL": media.resolve().as_uri(),
        "MIME_TYPE": mimetypes.guess_type(media.name)[0] or "unknown",
    }
    try:
        relative = Path(os.path.relpath(media.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return found
    return {**found, "RELATIVE_MEDIA_URL": f"./{relative}".encode(errors="replace").decode()}
