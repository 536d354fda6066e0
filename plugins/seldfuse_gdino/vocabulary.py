"""From what a detector calls a thing to the phrase by which the rules know it."""

import re
from dataclasses import dataclass
from functools import cached_property

from seldfuse.errors import UsageError
from seldfuse.rules import Rules

HALF = 0.5
"""Of a phrase's words at least this share must have been said."""


@dataclass(frozen=True)
class Vocabulary:
    """The phrases and prompts of some rules, each once, in their order. Raises UsageError where there are none."""

    rules: Rules

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UsageError("the rules say nothing to look for; expected prompts for at least one class")
        lost = [prompt for prompt in self.prompts if self.match(prompt) is None]
        if lost:
            raise UsageError(
                f"the prompts {', '.join(lost)} share no word with a phrase, so that finding them is no use"
            )

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(phrase for rule in self.rules.by_class.values() for phrase in rule.phrases))

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(prompt for rule in self.rules.by_class.values() for prompt in rule.prompts))

    @cached_property
    def answers(self) -> tuple[int, ...]:
        """For each prompt the index of its phrase."""
        return tuple(self.phrases.index(self.match(prompt) or "") for prompt in self.prompts)

    @cached_property
    def things(self) -> tuple[int, ...]:
        """For each phrase a number; phrases that speak for the same classes have the same, as names of one thing."""
        rules = self.rules.by_class.items()
        spoken = [frozenset(name for name, rule in rules if phrase in rule.phrases) for phrase in self.phrases]
        return tuple(spoken.index(classes) for classes in spoken)

    def match(self, said: str) -> str | None:
        """The phrase that was meant by words that may be more than one phrase, or part of one; None where none was.

        It is the one of which the largest share was said. Of several that were said whole it is the longest, and then
        the one that was said last: a door bell is a bell.
        """
        words = _words(said)
        best = max(self.phrases, key=lambda phrase: _closeness(_words(phrase), words), default="")
        return best if _closeness(_words(best), words)[0] >= HALF else None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _closeness(phrase: list[str], said: list[str]) -> tuple[float, int, int]:
    """Share and count of the phrase's words that were said, and where the last of them was."""
    places = [said.index(word) for word in phrase if word in said]
    return len(places) / max(len(phrase), 1), len(places), max(places, default=-1)
