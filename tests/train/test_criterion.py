"""The score by which a training chooses its best checkpoint, whoever brings it and whichever way it points."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from third_party_scores import third_party_scores as third_party_scores
from worlds import THREE, write_sounds

from seldfuse.checkpoint import open_checkpoint
from seldfuse.cli.commands import train as command
from seldfuse.errors import PluginError
from seldfuse.metrics.scores import Scores
from seldfuse.train import loop, setup
from seldfuse.train.loop import LAST, train_network
from seldfuse.train.progress import LOG, StepReport
from seldfuse.train.recipe import Recipe, parse_recipe, read_preset
from seldfuse.train.stages import train_in_stages
from seldfuse_sed_sce.train import SceTask

pytestmark = pytest.mark.usefixtures("here_and_now")

CPU = torch.device("cpu")
TRUNK = {"widths": [4, 4, 8, 8], "projection": 8, "dim": 16, "blocks": 1, "heads": 2, "head_dim": 8}


class AcmeTask(SceTask):
    criterion = "Acme-RMS-deg"


class OddTask(SceTask):
    criterion = "f21"


def tiny(sounds: Path) -> Recipe:
    """Four steps, each validated, on a network that costs nothing."""
    table = read_preset(SceTask.recipes, "small")
    table["network"]["trunk"].update(TRUNK)
    table["run"].update(steps=4, batch_size=4, validate_every=1)
    table["synth"].update(sounds=str(sounds), pool_size=8, validation_scenes=4)
    return parse_recipe({**table, "data": [{"source": "synth"}]})


@pytest.mark.usefixtures("third_party_scores")
def test_less_is_better_where_the_score_of_a_plugin_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "SAMPLE", 16)
    real, given = loop.score_network, iter([math.nan, 30.0, 10.0, 20.0])

    def score(*arguments: Any) -> Scores:
        scores = copy.copy(real(*arguments))
        scores._values = {**scores, "acme_rms_deg": next(given)}
        return scores

    monkeypatch.setattr(loop, "score_network", score)
    seen: list[StepReport] = []
    out = tmp_path / "out"
    best = train_network(AcmeTask(), THREE, tiny(write_sounds(tmp_path / "sounds")), out, CPU, seen.append, print)
    assert best["acme_rms_deg"] == 10.0
    assert 0 <= best["acme_missed"] <= 1
    assert open_checkpoint(str(out), "sce").config["training"]["step"] == 3
    assert open_checkpoint(str(out / LAST), "sce").config["training"]["step"] == 4
    card = (out / "README.md").read_text()
    assert "| RMSE (°) ↓ | 10.00 |" in card
    assert "| F20/1 ↑ | " in card
    assert "was chosen, by RMSE (°) (root mean square azimuth error), so" in " ".join(card.split())
    log = [json.loads(line)["scores"].get("acme_rms_deg") for line in (out / LOG).read_text().splitlines()]
    assert log == [None, 30.0, 10.0, 20.0]
    capsys.readouterr()
    command._StepPrinter()(seen[-1])
    assert ", acme_rms_deg 20.00, acme_missed " in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("learn", [train_network, train_in_stages])
def test_a_criterion_that_is_no_score_is_refused_before_anything_is_written(learn: Any, tmp_path: Path) -> None:
    recipe = tiny(tmp_path / "sounds")
    message = r"task of 'sce' has an unknown criterion: there is no score 'f21'; .*Known: distance_error_m, doae_deg,"
    with pytest.raises(PluginError, match=message):
        learn(OddTask(), THREE, recipe, tmp_path / "out", CPU, lambda _: None, print)
    assert not (tmp_path / "out").exists()
