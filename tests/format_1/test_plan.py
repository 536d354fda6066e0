"""A plan of the first version says and sounds what it did."""

import json

import numpy as np
import pytest
from format1 import FOLDER, one_thread

from seldfuse.core.labels import Label, LabelSet
from seldfuse.synth.render import render_scenes
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank


def test_a_plan_renders_as_it_did() -> None:
    """One source stands, one moves; voices, noise, band limits and a codec."""
    kept = json.loads((FOLDER / "plan.json").read_text())
    samples = np.random.default_rng(0).normal(0.0, 0.05, 48_000).astype(np.float32)
    labels = LabelSet("one", (Label("hiss", "Hiss"),))
    bank = SoundBank.from_sounds(labels, {"hiss": BankSound(0, "hiss", samples, np.ones(20, dtype=bool))})
    plan = ScenePlan.from_json(json.dumps(kept["plan"]))
    assert json.loads(plan.to_json()) == kept["plan"]
    with one_thread():
        audio = render_scenes([plan], bank).audio[0].double().numpy()
    assert np.sqrt(np.square(audio).mean(axis=1)) == pytest.approx(kept["rms"], rel=1e-4)
    assert audio[:, 1_000::6_000] == pytest.approx(np.array(kept["samples"]), abs=1e-4)
