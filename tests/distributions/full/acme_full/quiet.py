"""Post-processors: one makes a posterior doubt itself, one drops what lasts a single frame."""

from dataclasses import replace

from seldfuse.sdk import Clip, Events, Posterior


def load_halving(options: str | None):
    share = float(options or 0.5)

    def halve(posterior: Posterior, clip: Clip) -> Posterior:
        return replace(posterior, activity=posterior.activity * share)

    return halve


def load_first_second(options: str | None):
    def keep_first_second(events: Events, clip: Clip) -> Events:
        return replace(events, table=events.table[events.table["frame"] < 10])

    return keep_first_second
