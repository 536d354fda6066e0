"""What a recipe says of its data becomes scenes that train and scenes that validate."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from worlds import THREE, noise, write_sounds

from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.media.encode import write_wav
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data.folder import FolderValidation
from seldfuse.train.data.mixture import MixedSource
from seldfuse.train.data.open import NO_VALIDATION, open_data
from seldfuse.train.data.source import ProcessShare
from seldfuse.train.recipe import DataPart, FoldSettings, Recipe, RunSettings, SynthSettings
from seldfuse.train.validation import RandomValidation

CPU = torch.device("cpu")


class Counting:
    """A source whose scenes say who they are: the features are the source's number and the scene's."""

    def __init__(self, number: int) -> None:
        self.number, self.place, self.open = number, 0, True

    def draw(self, count: int) -> TrainingBatch:
        features = torch.zeros(count, 1, 1, 2)
        features[..., 0], features[:, 0, 0, 1] = self.number, torch.arange(self.place, self.place + count)
        self.place += count
        return TrainingBatch(features, ("logmel",), Posterior(torch.zeros(count, 1, 13, 1)))

    def seek(self, drawn: int) -> None:
        self.place = drawn

    def close(self) -> None:
        self.open = False


def drawn(mixture: MixedSource, counts: list[int]) -> torch.Tensor:
    return torch.cat([mixture.draw(count).features[:, 0, 0] for count in counts])


def test_a_mixture_keeps_to_its_weights_in_every_stretch() -> None:
    mixture = MixedSource([Counting(0), Counting(1), Counting(2)], [5.0, 3.0, 2.0])
    for _ in range(10):
        whose = drawn(mixture, [7, 1, 92])[:, 0].long()
        assert torch.allclose(whose.bincount(minlength=3) / 100, torch.tensor([0.5, 0.3, 0.2]), atol=0.03)


def test_a_mixture_goes_on_where_it_was() -> None:
    whole = drawn(MixedSource([Counting(0), Counting(1)], [1.0, 3.0]), [8] * 6)
    mixture = MixedSource([Counting(0), Counting(1)], [1.0, 3.0])
    mixture.seek(24)
    assert torch.equal(drawn(mixture, [8] * 3), whole[24:])


def test_a_mixture_closes_all_its_sources() -> None:
    sources = [Counting(0), Counting(1)]
    MixedSource(sources, [1.0, 1.0]).close()
    assert [source.open for source in sources] == [False, False]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sounds(tmp_path_factory.mktemp("sounds"))


def folder(root: Path, *names: str) -> str:
    root.mkdir()
    for name in names:
        write_wav(root / f"{name}.wav", noise(5.0))
        (root / f"{name}.csv").write_text("frame,class,source,azimuth,distance,onscreen\n3,1,0,30,200,1\n")
    return str(root)


def recipe(sounds: Path, *sources: str) -> Recipe:
    return Recipe(
        ("logmel",),
        {},
        run=RunSettings(batch_size=2),
        synth=SynthSettings(str(sounds), pool_size=8, validation_scenes=4),
        data=tuple(DataPart(source) for source in sources),
    )


@pytest.mark.usefixtures("here_and_now")
def test_what_validates_depends_on_what_is_there(sounds: Path, tmp_path: Path) -> None:
    plain = folder(tmp_path / "plain", "a", "b")
    official = folder(tmp_path / "official", "fold3_a", "fold3_b", "fold4_c")
    cases: list[tuple[tuple[str, ...], type, int, int]] = [
        (("synth",), RandomValidation, 4, 0),
        ((plain, "synth"), RandomValidation, 4, 2),
        ((official, "synth"), FolderValidation, 1, 2),
        ((plain, official), FolderValidation, 1, 4),
        ((plain,), FolderValidation, 2, 2),
    ]
    for sources, kind, clips, windows in cases:
        data = open_data(recipe(sounds, *sources), THREE, ProcessShare(), CPU)
        with closing(data.scenes):
            assert isinstance(data.validation, kind), sources
            assert len(data.validation.references) == clips, sources
            assert data.windows == windows, sources
            # The clips have labels of one class alone, which is told, too.
            told = [text for text in data.problems if not text.startswith("no label has ")]
            assert told == ([NO_VALIDATION] if sources == (plain,) else []), sources
            assert len(data.scenes.draw(4)) == 4
            (batch, *_) = data.validation.batches()
            assert batch.names == ("logmel",)


def test_only_the_first_of_several_processes_validates(sounds: Path, tmp_path: Path) -> None:
    data = open_data(recipe(sounds, folder(tmp_path / "clips", "a", "b")), THREE, ProcessShare(1, 2), CPU)
    data.scenes.close()
    assert data.validation is None


def test_a_folder_without_a_training_fold_says_how_to_choose_another(sounds: Path, tmp_path: Path) -> None:
    wanted = recipe(sounds, folder(tmp_path / "clips", "fold4_a"))
    with pytest.raises(UsageError, match=r"no clip of the folds 1, 2, 3 is here.*--set folders.train_folds=\[4\]"):
        open_data(wanted, THREE, ProcessShare(), CPU)
    data = open_data(replace(wanted, folders=FoldSettings((4,), ())), THREE, ProcessShare(), CPU)
    data.scenes.close()
    assert data.windows == 1
