"""Event-based scores: worked examples, a slow twin and sed_eval where it is installed."""

from itertools import permutations

import numpy as np
import pytest

from seldfuse.core.labels import DCASE2025
from seldfuse.metrics.event_matches import EventLimits, EventSpans, match_events
from seldfuse.metrics.event_scores import compare_event_scores, compute_event_scores

CLASSES = len(DCASE2025)
LIMITS = EventLimits()


def spans(*events: tuple[int, int, float, float, float]) -> EventSpans:
    """Events as clip, class, onset, offset and azimuth."""
    columns = np.array(events, dtype=np.float64).reshape(-1, 5).T
    return EventSpans(columns[0].astype(np.int64), columns[1].astype(np.int64), *columns[2:])


def hits(truth: EventSpans, prediction: EventSpans, limits: EventLimits = LIMITS) -> float:
    return float(match_events(truth, prediction, 1, CLASSES, limits).hits.sum())


@pytest.mark.parametrize(
    ("event", "hit"),
    [
        ((0, 3, 1.0, 2.0, 10.0), True),
        ((0, 3, 1.5, 2.0, 10.0), True),  # the onset is half a second late, in numbers that are not exact
        ((0, 3, 0.6, 2.4, 10.0), True),
        ((0, 3, 1.6, 2.0, 10.0), False),
        ((0, 3, 1.0, 2.6, 10.0), False),
        ((0, 3, 1.0, 2.0, 30.0), True),
        ((0, 3, 1.0, 2.0, 31.0), False),
        ((0, 3, 1.0, 2.0, 170.0), True),  # the rear is folded to the front
        ((0, 3, 1.0, 2.0, np.nan), False),
        ((0, 4, 1.0, 2.0, 10.0), False),
    ],
)
def test_an_event_is_a_hit_within_all_limits(event: tuple, hit: bool) -> None:
    assert hits(spans((0, 3, 1.0, 2.0, 10.0)), spans(event)) == hit


def test_the_offset_of_a_long_event_may_be_off_by_half_its_length() -> None:
    truth = spans((0, 0, 1.0, 5.0, 0.0))
    assert hits(truth, spans((0, 0, 1.0, 3.0, 0.0))) == 1
    assert hits(truth, spans((0, 0, 1.0, 2.9, 0.0))) == 0
    assert hits(truth, spans((0, 0, 1.0, 3.0, 0.0)), EventLimits(offset_share=0.0)) == 0


def test_each_event_is_matched_once_and_as_many_as_can_be() -> None:
    truth = spans((0, 0, 1.0, 2.0, 0.0), (0, 0, 1.4, 2.4, 0.0))
    # The first prediction fits both, the second the first alone: the nearest first would leave one out.
    assert hits(truth, spans((0, 0, 1.0, 2.0, 0.0), (0, 0, 0.6, 1.6, 0.0))) == 2
    assert hits(truth, spans((0, 0, 1.2, 2.2, 0.0))) == 1


def draw(rng: np.random.Generator, events: int, clips: int) -> EventSpans:
    start_s = rng.uniform(0, 3, events)
    end_s, azimuth_deg = start_s + rng.uniform(0.1, 3, events), rng.uniform(-40, 40, events)
    return EventSpans(rng.integers(0, clips, events), rng.integers(0, 2, events), start_s, end_s, azimuth_deg)


def test_hits_are_those_of_the_slow_twin() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        truth, prediction = draw(rng, 25, 4), draw(rng, 20, 4)
        expected = np.zeros((4, CLASSES))
        for clip, cls in np.ndindex(4, 2):
            here = np.flatnonzero((truth.clip == clip) & (truth.cls == cls))
            there = np.flatnonzero((prediction.clip == clip) & (prediction.cls == cls))
            pairs = [is_near(truth, i, prediction, j) for i in here for j in there]
            near = np.array(pairs, dtype=int).reshape(len(here), len(there))
            near = near if near.shape[0] <= near.shape[1] else near.T
            orders = permutations(range(near.shape[1]), near.shape[0])
            expected[clip, cls] = max(sum(near[row, column] for row, column in enumerate(order)) for order in orders)
        np.testing.assert_array_equal(match_events(truth, prediction, 4, CLASSES).hits, expected)


def is_near(truth: EventSpans, i: int, prediction: EventSpans, j: int) -> bool:
    length = truth.end_s[i] - truth.start_s[i]
    return bool(
        abs(truth.start_s[i] - prediction.start_s[j]) <= 0.5
        and abs(truth.end_s[i] - prediction.end_s[j]) <= max(0.5, length / 2)
        and abs(truth.azimuth_deg[i] - prediction.azimuth_deg[j]) <= 20
    )


def test_scores_of_a_worked_example() -> None:
    truth = spans((0, 0, 0.0, 1.0, 0.0), (0, 0, 3.0, 4.0, 0.0), (1, 1, 0.0, 1.0, 0.0))
    prediction = spans((0, 0, 0.0, 1.0, 0.0), (1, 0, 0.0, 1.0, 0.0), (1, 0, 2.0, 3.0, 0.0), (1, 1, 0.2, 1.0, 0.0))
    matches = match_events(truth, prediction, 2, CLASSES)
    macro, micro = compute_event_scores(matches), compute_event_scores(matches, "micro")
    # Of the first class one of two events is found, by three predictions; of the second all, by one.
    assert macro.f_classes[:2].tolist() == pytest.approx([2 / 5, 1.0])
    assert macro.values["event_f"].value == pytest.approx((2 / 5 + 1.0) / 2)
    assert micro.values["event_f"].value == pytest.approx(2 * 2 / 7)
    assert macro.values["event_count_error"].value == pytest.approx((1 + 2) / 2)
    difference = compare_event_scores(matches, match_events(truth, truth, 2, CLASSES), "micro")
    assert difference["event_f"].value == pytest.approx(4 / 7 - 1)
    assert difference["event_count_error"].value == pytest.approx(1.5)


def test_rows_are_cut_into_events() -> None:
    rows = np.array([[0, 2, 0, 10, 1, 0], [1, 2, 0, 20, 1, 0], [3, 2, 0, 0, 1, 0], [1, 2, 1, -9, 1, 0]], dtype=float)
    found = EventSpans.from_scenes([None, rows])
    assert found.clip.tolist() == [1, 1, 1]
    assert found.start_s.tolist() == pytest.approx([0.0, 0.1, 0.3])
    assert found.end_s.tolist() == pytest.approx([0.2, 0.2, 0.4])
    assert found.azimuth_deg.tolist() == pytest.approx([15.0, -9.0, 0.0])


def test_hits_are_those_of_sed_eval() -> None:
    sound_event = pytest.importorskip("sed_eval.sound_event", reason="sed_eval is not installed")
    rng = np.random.default_rng(1)
    truth, prediction = draw(rng, 120, 10), draw(rng, 110, 10)
    names = ["first", "second"]
    theirs = sound_event.EventBasedMetrics(names, t_collar=0.5, percentage_of_length=0.5)

    def listed(events: EventSpans, clip: int) -> list[dict]:
        columns = (events.cls, events.start_s, events.end_s)
        rows = zip(*(column[events.clip == clip].tolist() for column in columns), strict=True)
        return [
            {"filename": f"{clip}.wav", "event_label": names[cls], "event_onset": start, "event_offset": end}
            for cls, start, end in rows
        ]

    import dcase_util

    for clip in range(10):
        theirs.evaluate(
            reference_event_list=dcase_util.containers.MetaDataContainer(listed(truth, clip)),
            estimated_event_list=dcase_util.containers.MetaDataContainer(listed(prediction, clip)),
        )
    ours = compute_event_scores(match_events(truth, prediction, 10, 2, EventLimits(azimuth_deg=None)), "micro")
    assert ours.values["event_f"].value == pytest.approx(theirs.results_overall_metrics()["f_measure"]["f_measure"])
    by_class = [theirs.results_class_wise_metrics()[name]["f_measure"]["f_measure"] for name in names]
    assert ours.f_classes.tolist() == pytest.approx(by_class)
