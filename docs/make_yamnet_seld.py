"""Makes the weights in `checkpoints/yamnet-seld` of a checkpoint that was trained by the preset `branch`.

`python docs/make_yamnet_seld.py CHECKPOINT REST` takes the class branch out; REST is the same network, which takes its
tokens instead, for a training by the preset `medium` to start from.
"""

import argparse
import json
from pathlib import Path

import safetensors.torch

from seldfuse.checkpoint import CONFIG, WEIGHTS, open_checkpoint
from seldfuse.encoders.shipped_weights import HASH_DIGITS
from seldfuse.encoders.yamnet_seld import NAME
from seldfuse.nn.mobilenet import EMBEDDING
from seldfuse.storage.digest import hash_file

FOLDER = Path(__file__).resolve().parent.parent / "checkpoints" / NAME
BRANCH = "trunk.class_branch."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("rest", type=Path)
    settings = parser.parse_args()
    opened = open_checkpoint(str(settings.checkpoint), "sce", of_any=True)
    weights = safetensors.torch.load_file(settings.checkpoint / WEIGHTS)
    for folder in (FOLDER, settings.rest):
        folder.mkdir(parents=True, exist_ok=True)
    branch = {name.removeprefix(BRANCH): tensor for name, tensor in weights.items() if name.startswith(BRANCH)}
    safetensors.torch.save_file(branch, FOLDER / WEIGHTS)
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith(BRANCH)}
    safetensors.torch.save_file(rest, settings.rest / WEIGHTS)
    config = {**opened.config, "encoders": {NAME: hash_file(FOLDER / WEIGHTS, "sha256")[:HASH_DIGITS]}}
    config["network"]["trunk"] |= {"class_branch": "", "encoder": NAME, "token_channels": EMBEDDING}
    (settings.rest / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
