"""TOML files of settings: how they are read, what is wrong with them, and numbers that stay as they were written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest

from seldfuse.core.class_values import ClassValues, Number
from seldfuse.errors import UsageError
from seldfuse.settings.bounds import ANY_NUMBER, NOT_NEGATIVE, SHARE, STRICT, Bounds, Expected, Names
from seldfuse.settings.known import check_known
from seldfuse.settings.toml import parse_table, read_settings, read_table


@dataclass(frozen=True)
class Part:
    __pydantic_config__ = STRICT

    share: Annotated[ClassValues, SHARE] | None = None
    between: Annotated[Number, Bounds("a number between 0 and 1", gt=0, lt=1)] = 0.5
    word: str = ""


@dataclass(frozen=True)
class Whole:
    __pydantic_config__ = STRICT

    number: Annotated[Number, ANY_NUMBER] = 1.0
    amount: Annotated[ClassValues, NOT_NEGATIVE] = 1
    weights: Mapping[Annotated[str, Names(("left", "right"))], Annotated[Number, NOT_NEGATIVE]] = field(
        default_factory=dict
    )
    pair: Annotated[tuple[int, int], Expected("two whole numbers")] = (0, 0)
    part: Part | None = None
    named: Mapping[str, Part] = field(default_factory=dict)
    listed: tuple[Part, ...] = ()


def parse(table: Mapping[str, object]) -> Whole:
    return parse_table(Whole, table, "setting of a test")


def test_numbers_stay_as_they_were_written() -> None:
    found = parse({"number": 15, "amount": {"bell": 2, "default": 2.5}, "part": {"share": 1}})
    assert found == Whole(15, {"bell": 2, "default": 2.5}, part=Part(share=1))
    assert [type(value) for value in (found.number, *found.amount.values(), found.part.share)] == [int, int, float, int]


WRONG = {
    "'numbr' is no setting of a test (number, amount, weights, pair, part, named, listed); did you mean 'number'?": {
        "numbr": 1
    },
    "'shar' is no setting of part (share, between, word); did you mean 'share'?": {"part": {"shar": 1}},
    "'shar' is no setting of named.a@b (share, between, word); did you mean 'share'?": {"named": {"a@b": {"shar": 1}}},
    "'shar' is no setting of listed.1 (share, between, word); did you mean 'share'?": {"listed": [{}, {"shar": 1}]},
    "'lef' is no setting of weights (left, right); did you mean 'left'?": {"weights": {"lef": 1}},
    "part must be a table, got 3": {"part": 3},
    "named.a must be a table, got 'b'": {"named": {"a": "b"}},
    "weights must be a table, got [1]": {"weights": [1]},
    "number must be a number, got True": {"number": True},
    "number must be a number, got inf": {"number": float("inf")},
    "number must be a number, got {'bell': 1}": {"number": {"bell": 1}},
    "amount must be a number, 0 or more, got '1'": {"amount": "1"},
    "amount must be a number, 0 or more, got -0.5": {"amount": -0.5},
    "amount.bell must be a number, 0 or more, got nan": {"amount": {"bell": float("nan")}},
    "amount.bell must be a number, 0 or more, got False": {"amount": {"dog": 1, "bell": False}},
    "part.share must be a share from 0 to 1, got 1.5": {"part": {"share": 1.5}},
    "part.between must be a number between 0 and 1, got 1": {"part": {"between": 1}},
    "part.word must be a text, got 3": {"part": {"word": 3}},
    "pair must be two whole numbers, got [1]": {"pair": [1]},
    "number must be a number, got 'a'; part must be a table, got 3": {"number": "a", "part": 3},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named_with_what_was_expected_and_what_came(message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(WRONG[message])
    assert str(caught.value) == message


def test_a_file_that_cannot_be_read_is_named_last(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    with pytest.raises(UsageError) as missing:
        read_table(path, "a file of tests")
    assert str(missing.value) == f"expected a file of tests that can be read (No such file or directory): {path}"
    with pytest.raises(UsageError) as folder:
        read_table(tmp_path, "a file of tests")
    assert str(folder.value) == f"expected a file of tests that can be read (Is a directory): {tmp_path}"
    for text in (b"number = ", b"\xff"):
        path.write_bytes(text)
        with pytest.raises(
            UsageError, match=r"^expected a file of tests, but this is no TOML \(.+\): .*settings\.toml$"
        ):
            read_table(path, "a file of tests")


def test_what_is_wrong_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("number = 3\n[named.x]\nshare = { bell = 0.5 }\n")
    assert read_settings(path, "a file of tests", parse) == Whole(3, named={"x": Part({"bell": 0.5})})
    path.write_text("number = 'three'")
    with pytest.raises(UsageError) as caught:
        read_settings(path, "a file of tests", parse)
    assert str(caught.value) == f"number must be a number, got 'three': {path}"


def test_a_word_that_is_unknown_comes_with_the_nearest_one() -> None:
    check_known("mean", ("mean", "best"), "preset")
    with pytest.raises(UsageError, match=r"^'maen' is no preset \(mean, best\); did you mean 'mean'\?$"):
        check_known("maen", ("mean", "best"), "preset")
    with pytest.raises(UsageError, match=r"^'other' is no preset \(mean, best\)$"):
        check_known("other", ("mean", "best"), "preset")
