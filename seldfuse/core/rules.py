"""Which thing in a picture speaks for which sound, and which point of it sounds."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seldfuse.core.detections import KEYPOINTS, PERSON
from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.settings.aliases import RULES, rename_typed_keys

KNOWN = ("phrases", "keypoints", "position", "prompts")
THRESHOLDS = ("box_threshold", "text_threshold")


@dataclass(frozen=True)
class Rule:
    """What may be heard as one class: things called one of `phrases`.

    `keypoints` are the keypoints of a person that sound, in the order in which they are taken: every one that was seen
    counts. Without any of them, it is `position` in the box: the share of its width from the left and of its height
    from the top. `prompts` are the words by which an open-vocabulary detector is asked for the thing.
    """

    phrases: tuple[str, ...] = (PERSON,)
    keypoints: tuple[str, ...] = ()
    position: tuple[float, float] = (0.5, 0.5)
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """A rule by class name; a class without one is left alone.

    Of what an open-vocabulary detector finds counts what is more likely than `box_threshold`, and of the words that it
    says of it those above `text_threshold`.
    """

    by_class: Mapping[str, Rule] = field(default_factory=dict)
    box_threshold: float = 0.25
    text_threshold: float = 0.25

    @classmethod
    def read(cls, path: Path, labels: LabelSet) -> "Rules":
        """From a TOML file with one table per class, and the thresholds before them.

        Raises UsageError that names what is wrong: a class, a point or a setting that is unknown, an empty prompt, a
        place outside of the box, a threshold that is no probability, or a file that is no TOML.
        """
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UsageError(f"there is no such file of rules: {path}") from error
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"expected a TOML file of rules ({error}): {path}") from error
        data = rename_typed_keys(data, RULES)
        thresholds = {name: _parse_threshold(name, data.pop(name), path) for name in THRESHOLDS if name in data}
        unknown = [name for name in data if name not in labels.names]
        if unknown:
            raise UsageError(
                f"rules for classes that are unknown: {', '.join(unknown)}; "
                f"expected some of {', '.join(labels.names)}, or {' or '.join(THRESHOLDS)}: {path}"
            )
        return cls({name: _rule(name, table, path) for name, table in data.items()}, **thresholds)


def _parse_threshold(name: str, value: Any, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"{name} must be a number from 0 to 1, got {value!r}: {path}")
    return float(value)


def _rule(name: str, table: Any, path: Path) -> Rule:
    if not isinstance(table, dict):
        raise UsageError(f"the rule for {name} must be a table, got {table!r}: {path}")
    if unknown := [key for key in table if key not in KNOWN]:
        raise UsageError(f"{name}: unknown {', '.join(unknown)}; a rule may have {', '.join(KNOWN)}: {path}")
    lists = {key: _words(name, key, table[key], path) for key in ("phrases", "keypoints", "prompts") if key in table}
    if unknown := [point for point in lists.get("keypoints", ()) if point not in KEYPOINTS]:
        raise UsageError(
            f"{name}: unknown keypoints {', '.join(unknown)}; expected some of {', '.join(KEYPOINTS)}: {path}"
        )
    if "prompts" in lists and "phrases" not in lists:
        lists["phrases"] = lists["prompts"]
    return Rule(**lists, position=_position(name, table.get("position", (0.5, 0.5)), path))


def _words(name: str, key: str, value: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
        raise UsageError(f"{name}.{key} must be a list of words that are not empty, got {value!r}: {path}")
    return tuple(word.strip().lower() for word in value)


def _position(name: str, value: Any, path: Path) -> tuple[float, float]:
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or not all(isinstance(share, int | float) and 0 <= share <= 1 for share in value)
    ):
        raise UsageError(f"{name}.position must be two numbers from 0 to 1, got {value!r}: {path}")
    return float(value[0]), float(value[1])
