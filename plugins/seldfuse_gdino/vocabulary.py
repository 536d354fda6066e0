"""From what a detector calls a thing to the phrase by which the rules know it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from seldfuse.sdk import Rules, UsageError

HALF = 0.5
"""Of a name's words at least this share must be given."""


@dataclass(frozen=True)
class Vocabulary:
    """The prompts and phrases of some rules, each once, in their order.

    Raises UsageError where there is no prompt, or where one means different things to two classes.
    """

    rules: Rules

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UsageError("the rules name nothing to detect; expected prompts for at least one class")
        for name, rule in self.rules.by_class.items():
            for prompt in rule.prompts:
                if self.names[prompt] not in rule.phrases:
                    raise UsageError(
                        f"{name}: the prompt {prompt!r} finds what another class calls {self.names[prompt]!r}; "
                        f"expected it among the phrases, got {', '.join(rule.phrases)}"
                    )

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(phrase for rule in self.rules.by_class.values() for phrase in rule.phrases))

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(prompt for rule in self.rules.by_class.values() for prompt in rule.prompts))

    @cached_property
    def names(self) -> dict[str, str]:
        """Phrases and prompts, and the phrase of each: a prompt's is the one that is closest, else the rule's first."""
        names = {phrase: phrase for phrase in self.phrases}
        for rule in self.rules.by_class.values():
            for prompt in rule.prompts:
                names.setdefault(prompt, _closest(rule.phrases, prompt) or rule.phrases[0])
        return names

    @cached_property
    def answers(self) -> tuple[int, ...]:
        """For each prompt the index of its phrase."""
        return tuple(self.phrases.index(self.names[prompt]) for prompt in self.prompts)

    @cached_property
    def things(self) -> tuple[int, ...]:
        """For each phrase a number; phrases that speak for the same classes have the same, as names of one thing."""
        rules = self.rules.by_class.items()
        spoken = [frozenset(name for name, rule in rules if phrase in rule.phrases) for phrase in self.phrases]
        return tuple(spoken.index(classes) for classes in spoken)

    def match(self, given: str) -> str | None:
        """Find the phrase of the name that words mean, which may be several names, or part of one; None for no name.

        It is the name of which the largest share is given. Of several that are given whole it is the longest, and then
        the one that comes last: a door bell is a bell.
        """
        return self.names.get(_closest(self.names, given) or "")


def _closest(names: Iterable[str], given: str) -> str | None:
    words = _words(given)
    best = max(names, key=lambda name: _closeness(_words(name), words))
    return best if _closeness(_words(best), words)[0] >= HALF else None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _closeness(name: list[str], given: list[str]) -> tuple[float, int, int]:
    """Share and count of the name's words that are given, and where the last of them is."""
    places = [given.index(word) for word in name if word in given]
    return len(places) / max(len(name), 1), len(places), max(places, default=-1)
