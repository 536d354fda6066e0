"""Files of plans: one line of JSON for each scene, with its name and its plan."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seldfuse.errors import UsageError
from seldfuse.storage.json_lines import JsonLineError, read_json_lines
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.scene import MeasuredRoom, ScenePlan


def read_plans(path: Path) -> dict[str, ScenePlan]:
    """Read scenes by name, in the order of the file, which may be packed with gzip.

    The manifest of a split is such a file too. Raises UsageError, which names the line.
    """
    plans: dict[str, ScenePlan] = {}
    try:
        for line in read_json_lines(path, torn="raise"):
            if "recipe" in line.value:
                continue
            name, plan = _plan(line.value, f"line {line.number}: {path}")
            if name in plans:
                raise UsageError(f"expected one plan of each name, got two for {name!r}, line {line.number}: {path}")
            plans[name] = plan
    except JsonLineError as error:
        raise _refusal(error.cause, f"line {error.number}: {path}") from error
    except (OSError, EOFError) as error:
        raise UsageError(f"expected a file of plans ({error}): {path}") from error
    if not plans:
        raise UsageError(f"expected a file of plans, it holds none: {path}")
    return plans


def check_plans(plans: Mapping[str, ScenePlan], stage: SceneIngredients, video: bool) -> None:
    """Check what plans refer to. Raises UsageError where one takes a sound, a response or a view that is not there."""
    responses = frozenset(stage.responses.keys if stage.responses else ())
    for name, plan in plans.items():
        unknown = sorted({take.sound for take in plan.takes}.difference(stage.bank.entries))
        if unknown:
            raise UsageError(
                f"the plan of {name} takes the sound {unknown[0]!r}, which is not there; "
                "give --sounds and --held-out as they were when the plan was drawn"
            )
        if isinstance(plan.room, MeasuredRoom) and not responses.issuperset(plan.room.responses):
            raise UsageError(
                f"the plan of {name} stands in a measured room that is not there; give its folder with --srir"
            )
        if video and plan.view is None:
            raise UsageError(f"the plan of {name} has no view, for it was drawn without --video; leave --video out")


def _plan(line: Mapping[str, Any], where: str) -> tuple[str, ScenePlan]:
    try:
        name, plan = line["name"], ScenePlan.from_json(json.dumps(line["plan"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _refusal(error, where) from error
    if not isinstance(name, str) or not re.fullmatch(r"[^./\\][^/\\]*", name):
        raise UsageError(f"expected a name that a file can have, got {name!r}, {where}")
    return name, plan


def _refusal(cause: Exception, where: str) -> UsageError:
    return UsageError(f"expected a scene's 'name' and 'plan' ({cause!r:.300}), {where}")
