"""Which rows of a network's weights belong to which class, so that a head for other classes keeps those it knows.

Networks are built for a label set. Weights whose shape depends on how many classes there are have the classes as the
last of what their axis counts (coordinate × class, track × element × class); those with a part that all classes share
(`BandAttention`) have it first, and then the classes one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seldfuse.core.labels import Label, LabelSet, match_classes

PROBE = "a class that no label set has"


@dataclass(frozen=True)
class ClassAxis:
    """The axis of a weight that counts classes: `each` rows of every class, behind `shared` rows."""

    axis: int
    each: int
    shared: int

    def place_rows(self, cls: int, classes: int) -> list[int]:
        """List the rows of a class among so many."""
        if self.shared:
            return [self.shared + cls * self.each + row for row in range(self.each)]
        return [row * classes + cls for row in range(self.each)]


def find_class_axes(build: Callable[[LabelSet], nn.Module], labels: LabelSet) -> dict[str, ClassAxis]:
    """Find the axes that count classes, by the names of the weights, from the same network with one class more.

    The random numbers that building draws are put back.
    """
    more = replace(labels, classes=(*labels.classes, Label(PROBE, PROBE)))
    with torch.random.fork_rng(devices=[]):
        plain, larger = build(labels).state_dict(), build(more).state_dict()
    found = {}
    for name, weight in plain.items():
        other = larger[name]
        for axis in range(weight.ndim):
            each = other.shape[axis] - weight.shape[axis]
            if each:
                found[name] = ClassAxis(axis, each, weight.shape[axis] - each * len(labels))
    return found


def move_class_rows(
    weights: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    axes: Mapping[str, ClassAxis],
    theirs: LabelSet,
    labels: LabelSet,
) -> dict[str, Tensor]:
    """Return weights for the classes of `labels`: rows of classes that `theirs` has, too, are kept, others are `own`.

    Classes are the same by name, title or alias. Weights that do not count classes stay as they are.
    """
    places = match_classes(labels, theirs)
    moved = dict(weights)
    for name, axis in axes.items():
        if name in weights and _fits(weights[name], own[name], axis, len(theirs), len(labels)):
            moved[name] = _move(weights[name], own[name].clone(), axis, places, len(theirs))
    return moved


def _fits(weight: Tensor, own: Tensor, axis: ClassAxis, theirs: int, classes: int) -> bool:
    """Test whether two weights differ in how many classes they are for, and in nothing else."""
    expected = list(own.shape)
    expected[axis.axis] += (theirs - classes) * axis.each
    return list(weight.shape) == expected


def _move(weight: Tensor, own: Tensor, axis: ClassAxis, places: Sequence[int | None], theirs: int) -> Tensor:
    pairs = [(cls, place) for cls, place in enumerate(places) if place is not None]
    into = [*range(axis.shared), *(row for cls, _ in pairs for row in axis.place_rows(cls, len(places)))]
    out_of = [*range(axis.shared), *(row for _, place in pairs for row in axis.place_rows(place, theirs))]
    if into:
        own.index_copy_(axis.axis, torch.tensor(into), weight.index_select(axis.axis, torch.tensor(out_of)).to(own))
    return own
