"""A plugin that behaves, unless `DOES` says `stage:what`: then it does that there, as broken code would."""

import io
import os
import sys
from pathlib import Path

import torch

from seldfuse.sdk import DCASE2025, Backend, ClipBatch, Feature, Label, LabelSet, Posterior, Writer, hookimpl

DOES = ":"


class Odd(BaseException):
    """No Exception, as trio's Cancelled or pytest's Exit are none."""


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even its text fails")


def deeper() -> int:
    return deeper() + 1


def change_stdout() -> None:
    sys.stdout = io.StringIO()


def move_away() -> None:
    os.makedirs("elsewhere", exist_ok=True)
    os.chdir("elsewhere")


def refuse(error: BaseException) -> None:
    raise error


ACTIONS = {
    "exit": lambda: sys.exit(0),
    "base": lambda: refuse(Odd("acme says no")),
    "generator": lambda: refuse(GeneratorExit("acme says no")),
    "interrupt": lambda: refuse(KeyboardInterrupt("acme's own, not the user's")),
    "recursion": deeper,
    "memory": lambda: refuse(MemoryError()),
    "mute": lambda: refuse(MuteError()),
    "escape": lambda: refuse(ValueError("red \x1b[31m bell \x07 \u202e")),
    "folder": move_away,
    "mask": lambda: os.umask(0o777),
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "threads": lambda: torch.set_num_threads(2),
    "stdout": change_stdout,
    "close": lambda: sys.stdout.close(),
    "print": lambda: print("acme talks"),  # noqa: T201
    "limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 50),
}


def at(stage: str) -> str:
    """Do what is to be done at a stage; return it where the stage itself does it."""
    where, _, what = DOES.partition(":")
    if where != stage:
        return ""
    if what in ACTIONS:
        ACTIONS[what]()
    return what


@hookimpl
def seldfuse_register_backends(register) -> None:
    at("hook")
    provides = ("activity", "direction", "distance")
    register(Backend(name="acme", api_version=2, summary="behaves", load="misbehaving:load", provides=provides))


@hookimpl
def seldfuse_register_features(register) -> None:
    register(
        Feature(
            name="acme-feature", api_version=2, summary="behaves", compute="misbehaving:compute", channels=2, bins=1
        )
    )


@hookimpl
def seldfuse_register_writers(register) -> None:
    register(Writer(name="acme-writer", api_version=2, summary="behaves", write="misbehaving:write", suffix=".acme"))


def compute(batch: ClipBatch):
    what = at("feature")
    if what == "none":
        return None
    if what == "in-place":
        batch.audio.mul_(0)
    return batch.audio.abs().reshape(len(batch), 2, -1, 480).mean(-1, keepdim=True)


def write(result, path: Path) -> None:
    what = at("write")
    if what == "nothing":
        return
    if what == "half":
        path.write_text("half of it")
        path.with_name(f".{path.name}.part").write_text("half")
        raise ValueError("acme says no")
    if what == "in-place":
        result.events.table.loc[:, "distance_m"] = 99.0
        for tensor in result.posterior.tensors().values():
            tensor.zero_()
    path.write_text("well\n")


class Acme:
    features = ("acme-feature", "logmel", "ild")

    @property
    def encoders(self):
        return 7 if at("encoders") == "number" else {}

    def infer(self, batch: ClipBatch):
        at("infer")
        shape = (len(batch), batch.frames, 13, 1)
        activity, distance = torch.zeros(shape), torch.full(shape, 2.0)
        activity[:, :, 8] = 0.9
        direction = torch.zeros(*shape, 3)
        direction[..., 0] = 1.0
        whole = Posterior(activity, direction, distance)
        given = at("give")
        if given == "in-place":
            batch["logmel"].fill_(0.0)
        return GIVES[given](whole) if given in GIVES else whole


def changed(name: str, function) -> object:
    """A posterior of which one field is another."""

    def change(whole: Posterior) -> Posterior:
        return Posterior(**{**whole.tensors(), name: function(whole)})

    return change


def with_labels(whole: Posterior) -> Posterior:
    return Posterior(whole.activity, labels=LabelSet("bad", tuple(Label(f"x{n}", "") for n in range(13))))


GIVES = {
    "activity of 90": changed("activity", lambda whole: whole.activity * 100),
    "negative activity": changed("activity", lambda whole: whole.activity - 1),
    "far": changed("distance", lambda whole: whole.distance * 1e37),
    "behind": changed("distance", lambda whole: -whole.distance),
    "long": changed("direction", lambda whole: whole.direction * 40),
    "zero": changed("direction", lambda whole: whole.direction * 0),
    "onscreen of 7": changed("onscreen", lambda whole: whole.distance + 5),
    "negative deviation": changed("azimuth_std_deg", lambda whole: -whole.distance),
    "not a number": changed("distance", lambda whole: whole.distance * torch.nan),
    "integers": lambda whole: Posterior((whole.activity > 0.5).long()),
    "elsewhere": lambda whole: Posterior(whole.activity.to("meta")),
    "no tracks": lambda whole: Posterior(whole.activity[..., :0]),
    "tracks": lambda whole: Posterior(whole.activity.expand(-1, -1, -1, 3000)),
    "hop": lambda whole: Posterior(**whole.tensors(), hop_s=0.2),
    "no hop": lambda whole: Posterior(**whole.tensors(), hop_s=float("nan")),
    "labels": with_labels,
    "table": lambda whole: whole.tensors(),
    "nothing": lambda _whole: None,
    "fewer": lambda whole: Posterior(whole.activity, labels=DCASE2025),
    "provenance": lambda whole: Posterior(**whole.tensors(), provenance={"model": object()}),
}


def load(_checkpoint, _device) -> Acme:
    at("load")
    return Acme()
