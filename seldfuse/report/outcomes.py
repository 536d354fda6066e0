"""Which events are matches, misses and false alarms, by the matching of whole events that `seldfuse eval` uses."""

from dataclasses import replace

import numpy as np

from seldfuse.metrics.event_matches import EventSpans, pair_events
from seldfuse.report.clip_report import FALSE_ALARM, MATCH, MISS, Layer


def mark_outcomes(layers: tuple[Layer, ...], classes: int) -> tuple[Layer, ...]:
    """Mark every event where one of the layers is the truth; true events as the result, the first layer, has them."""
    truth = next((layer for layer in layers if layer.kind == "truth"), None)
    if truth is None:
        return layers
    partners = {
        id(layer): pair_events(_to_spans(truth), _to_spans(layer), classes) for layer in layers if layer is not truth
    }
    return tuple(
        replace(layer, outcomes=_name(partners[id(layers[0])] >= 0, MISS))
        if layer is truth
        else replace(layer, outcomes=_name(np.isin(np.arange(layer.size), partners[id(layer)]), FALSE_ALARM))
        for layer in layers
    )


def _name(matched: np.ndarray, otherwise: str) -> tuple[str, ...]:
    return tuple(np.where(matched, MATCH, otherwise).tolist())


def _to_spans(layer: Layer) -> EventSpans:
    columns = (layer.events[name] for name in ("cls", "start_s", "end_s", "azimuth_deg"))
    return EventSpans(np.zeros(layer.size, dtype=np.int64), *columns)
