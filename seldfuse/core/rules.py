"""Which thing in a picture speaks for which sound, and which point of it sounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from seldfuse.core.detections import KEYPOINTS, PERSON
from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.settings.aliases import RULES, rename_typed_keys
from seldfuse.settings.bounds import STRICT, Expected
from seldfuse.settings.toml import parse_table, read_settings

THRESHOLDS = ("box_threshold", "text_threshold")

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Probability = Annotated[Share, Expected("a number from 0 to 1")]


def _check_words(words: tuple[str, ...]) -> tuple[str, ...]:
    if not all(word.strip() for word in words):
        raise ValueError("an empty word")
    return tuple(word.strip().lower() for word in words)


def _check_keypoints(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in KEYPOINTS]:
        message = f"unknown keypoints {', '.join(unknown)}; expected some of {', '.join(KEYPOINTS)}"
        raise PydanticCustomError("unknown_keypoints", "{message}", {"message": message})
    return names


Words = Annotated[tuple[str, ...], AfterValidator(_check_words), Expected("a list of words that are not empty")]


@dataclass(frozen=True)
class Rule:
    """The things in a picture that may make the sound of one class: those called one of `phrases`.

    `keypoints` are the keypoints of a person that sound: all that were detected count. Without any of them, it is
    `position` in the box: the share of its width from the left and of its height from the top. `prompts` are the words
    by which an open-vocabulary detector is asked for the thing.
    """

    __pydantic_config__ = STRICT

    phrases: Words = (PERSON,)
    keypoints: Annotated[Words, AfterValidator(_check_keypoints)] = ()
    position: Annotated[tuple[Share, Share], Expected("two numbers from 0 to 1")] = (0.5, 0.5)
    prompts: Words = ()


@dataclass(frozen=True)
class Rules:
    """A rule by class name; a class without one is left alone.

    What an open-vocabulary detector finds counts where it is more likely than `box_threshold`, and of the words that it
    gives it those above `text_threshold`.

    >>> from seldfuse.sdk import Rule, Rules
    >>> Rules({"bell": Rule(phrases=("bell",), position=(0.5, 0.3))}).by_class["bell"].position
    (0.5, 0.3)
    """

    __pydantic_config__ = STRICT

    by_class: Mapping[str, Rule] = field(default_factory=dict)
    box_threshold: Probability = 0.25
    text_threshold: Probability = 0.25

    @classmethod
    def read(cls, path: Path, labels: LabelSet) -> "Rules":
        """Read a TOML file with one table per class, and the thresholds before them.

        Raises UsageError that names what is wrong: a class, a keypoint or a setting that is unknown, an empty prompt, a
        position outside of the box, a threshold that is no probability, or a file that is no TOML.
        """
        return read_settings(path, "a TOML file of rules", lambda table: cls.from_table(table, labels))

    @classmethod
    def from_table(cls, data: Mapping[str, Any], labels: LabelSet) -> "Rules":
        """Make rules of what a TOML file holds. Raises UsageError as `read` does."""
        data = rename_typed_keys(data, RULES)
        tables = {name: table for name, table in data.items() if name not in THRESHOLDS}
        if unknown := [name for name in tables if name not in labels.names]:
            raise UsageError(
                f"rules for classes that are unknown: {', '.join(unknown)}; "
                f"expected some of {', '.join(labels.names)}, or {' or '.join(THRESHOLDS)}"
            )
        thresholds = parse_table(cls, {name: data[name] for name in THRESHOLDS if name in data}, "threshold")
        by_class = parse_table(dict[str, Rule], tables, "class")
        return replace(thresholds, by_class={name: _name_as_asked(one, tables[name]) for name, one in by_class.items()})

    def adapt_to(self, labels: LabelSet, asks: bool = False) -> "Rules":
        """Adapt rules to classes of a label set, which have the rule of their name, title or alias.

        A class that is not visible has none. Where rules name keypoints a class has those that it states; where a
        detector `asks` for what it detects, it has the prompts that it states.
        """
        pointed = any(rule.keypoints for rule in self.by_class.values())
        by_class = {}
        for label in labels.classes:
            rule = next((self.by_class[name] for name in self.by_class if label.is_called(name)), None)
            if label.keypoints and pointed:
                rule = replace(rule or Rule(), keypoints=label.keypoints)
            if label.prompts and asks:
                rule = replace(rule or Rule(), prompts=label.prompts, phrases=label.prompts)
            if rule is not None and label.visible:
                by_class[label.name] = rule
        return replace(self, by_class=by_class)


def _name_as_asked(rule: Rule, table: Mapping[str, Any]) -> Rule:
    """Take the prompts for the phrases where a file gives prompts alone: a detector calls things as it was asked."""
    return replace(rule, phrases=rule.prompts) if "prompts" in table and "phrases" not in table else rule
