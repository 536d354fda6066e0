"""A step of SED-SCE without chance, for `torchrun`: dropout off, norms frozen, nothing augmented.

python teach_frozen.py DATA OUT BATCH
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from seldfuse.labels import DCASE2025
from seldfuse.train.augment import Augment
from seldfuse.train.loop import train
from seldfuse.train.recipe import Part, preset, recipe_of
from seldfuse_sed_sce.network import SedSce
from seldfuse_sed_sce.train import SceTask


class Frozen(SedSce):
    def train(self, _mode: bool = True) -> "Frozen":
        super().train(False)
        return self


class Task(SceTask):
    def build(self, settings, labels):
        network = super().build(settings, labels)
        network.__class__ = Frozen
        return network


def main(data: str, out: str, batch: str) -> None:
    torch.set_num_threads(1)
    table = preset(Task.recipes, "small")
    table["network"]["trunk"].update(widths=[4, 4, 8, 8], projection=8, dim=16, blocks=1, heads=2, head_dim=8)
    table["run"].update(steps=2, batch=int(batch), validate_every=2, ema_decay=0.0)
    table["optimiser"].update(schedule="constant", clip_norm=0.0)
    recipe = replace(recipe_of(table), augment=Augment(swap=0.0), data=(Part(data),))
    train(Task(), DCASE2025, recipe, Path(out), torch.device("cpu"), lambda _: None, print)


if __name__ == "__main__":
    main(*sys.argv[1:])
