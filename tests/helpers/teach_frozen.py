"""A step of SED-SCE without chance, for `torchrun`: dropout off, norms frozen, nothing augmented.

python teach_frozen.py DATA OUT BATCH
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from seldfuse.core.labels import DCASE2025
from seldfuse.train.loop import train_network
from seldfuse.train.recipe import DataPart, parse_recipe, read_preset
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
    table = read_preset(Task.recipes, "small")
    table["network"]["trunk"].update(widths=[4, 4, 8, 8], projection=8, dim=16, blocks=1, heads=2, head_dim=8)
    table["run"].update(steps=2, batch_size=int(batch), validate_every=2, ema_decay=0.0)
    table["optimizer"].update(schedule="constant", clip_norm=0.0)
    recipe = replace(parse_recipe(table), augment={"channel_swap": 0.0}, data=(DataPart(data),))
    train_network(Task(), DCASE2025, recipe, Path(out), torch.device("cpu"), lambda _: None, print)


if __name__ == "__main__":
    main(*sys.argv[1:])
