"""The contract of post-processors: type, labels and frames stay, and so does what they are given."""

from typing import Any, ClassVar

import pytest
import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.requests import PostProcessorRequest
from seldfuse.catalogue.values import PostProcessor
from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.posterior import Posterior
from seldfuse.inference.postprocess import LoadedPostProcessor, postprocess
from seldfuse.testing.samples import FRAMES, tiny_result
from seldfuse.testing.sounds import video_clip
from seldfuse.testing.values import expect_refusal

Value = Events | Posterior


class PostProcessorContract:
    """Tests of one post-processor; a subclass sets `postprocessor` to its name, `name@options`, or the value itself.

    `bad_options` is a text that it must refuse, None where it takes none.
    """

    postprocessor: ClassVar[str | PostProcessor]
    bad_options: ClassVar[str | None] = "no-such-option"

    @property
    def request(self) -> PostProcessorRequest:
        """Find the post-processor as a user asks for it."""
        if isinstance(self.postprocessor, PostProcessor):
            return PostProcessorRequest(self.postprocessor, self.postprocessor.name, None, "tests")
        _, (request,) = load_registry().find_post(self.postprocessor)
        return request

    def clip(self) -> Clip:
        """Make the clip that values belong to."""
        return video_clip()

    def value(self, empty: bool = False) -> Value:
        """Make a value for it to change, two seconds long."""
        result = tiny_result(empty=empty)
        return result.posterior if self.request.value.takes == "posterior" else result.events

    def change(self, value: Value) -> Any:
        """Let the engine call it; raises PluginError where it gives what does not fit."""
        request = self.request
        loaded = LoadedPostProcessor(request.instance, request.value.takes, request.load())
        return postprocess(value, (loaded,), self.clip())

    def test_type_labels_and_frames_stay(self) -> None:
        value = self.value()
        changed = self.change(value)
        assert type(changed) is type(value)
        assert changed.labels == value.labels
        assert changed.hop_s == value.hop_s
        if isinstance(changed, Events) and len(changed):
            last = changed.table["frame"].max()
            assert last < FRAMES, f"the clip has {FRAMES} frames, an event stands in frame {last}"

    def test_every_value_of_a_posterior_is_finite_and_possible(self) -> None:
        changed = self.change(self.value())
        if isinstance(changed, Posterior):
            for name, tensor in changed.tensors().items():
                assert bool(tensor.isfinite().all()), f"{name} has values that are not numbers"
            assert float(changed.activity.amin()) >= 0
            assert float(changed.activity.amax()) <= 1

    def test_what_it_is_given_stays_as_it_is(self) -> None:
        value, same = self.value(), self.value()
        self.change(value)
        assert are_equal(value, same), "it changed the value in place; make a new one (dataclasses.replace)"

    def test_the_same_value_gives_the_same_change(self) -> None:
        assert are_equal(self.change(self.value()), self.change(self.value()))

    def test_nothing_stays_nothing(self) -> None:
        changed = self.change(self.value(empty=True))
        if isinstance(changed, Events):
            assert len(changed) == 0, "where there were no events there are some now"
        else:
            assert float(changed.activity.amax()) < 0.5, "where nothing sounded something sounds now"

    def test_one_loaded_once_changes_many(self) -> None:
        function, value = self.request.load(), self.value()
        assert are_equal(function(value, self.clip()), function(value, self.clip()))

    def test_options_that_mean_nothing_are_refused(self) -> None:
        if self.bad_options is None:
            pytest.skip("it takes no options")
        options, load = self.bad_options, load_reference(self.request.value.load)
        expect_refusal(lambda: load(options), options)


def are_equal(one: Value, other: Value) -> bool:
    """Tell whether two values are the same, number by number."""
    if isinstance(one, Events) and isinstance(other, Events):
        return bool(one.table.equals(other.table))
    assert isinstance(one, Posterior)
    assert isinstance(other, Posterior)
    first, second = one.tensors(), other.tensors()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
