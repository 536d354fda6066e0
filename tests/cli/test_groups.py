"""Groups of commands, and the spellings that they had as commands of their own."""

import json
from pathlib import Path

import pytest

from seldfuse.cli import main
from seldfuse.cli.old_spelling import update_spelling


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.mark.parametrize(
    ("group", "commands"),
    [
        ("synth", ("scenes", "from-foa", "bank")),
        ("tune", ("fusion", "events", "vision")),
        ("checkpoints", ("list", "fetch")),
        ("plugins", ("list", "new")),
    ],
)
def test_a_group_lists_its_commands(group: str, commands: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(group, "--help") == 0
    out, err = capsys.readouterr()
    assert f"Usage: seldfuse {group} [OPTIONS] COMMAND [ARGS]...\n" in out
    listed = [line.split()[0] for line in out.partition("\nCommands:\n")[2].splitlines() if line[2:3].strip()]
    assert tuple(listed[: len(commands)]) == commands
    assert err == ""


@pytest.mark.parametrize("group", ["plugins", "checkpoints"])
def test_a_list_is_what_the_group_alone_prints(
    group: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path))
    for options in ((), ("--json",)):
        assert exit_code(group, *options) == 0
        alone = capsys.readouterr()
        assert exit_code(group, "list", *options) == 0
        assert capsys.readouterr() == alone
    assert json.loads(alone.out)[group]


@pytest.mark.parametrize("group", ["synth", "tune"])
def test_a_group_without_a_command_shows_its_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(group) == 2
    assert f"Usage: seldfuse {group} [OPTIONS] COMMAND" in "".join(capsys.readouterr())


# Spellings of version 0.1.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("synth data --clips 3", "synth scenes data --clips 3"),
        ("synth --clips 3 data", "synth scenes --clips 3 data"),
        ("synth ./scenes --clips 3", "synth scenes ./scenes --clips 3"),
        ("tune a b --reference r", "tune fusion a b --reference r"),
        ("tune --post seen a --reference r", "tune vision --post seen a --reference r"),
        ("tune a --reference r --post=seen", "tune vision a --reference r --post=seen"),
        ("tune a ./post --reference r", "tune fusion a ./post --reference r"),
    ],
)
def test_an_old_spelling_is_understood_with_a_note(old: str, new: str) -> None:
    arguments, note = update_spelling(old.split())
    assert arguments == new.split()
    group, command, *_ = arguments
    assert note == f"`seldfuse {group} …` is now `seldfuse {group} {command} …`; the old spelling still works"


@pytest.mark.parametrize(
    "today",
    [
        "",
        "--help",
        "run synth",
        "synth",
        "synth --help",
        "synth scenes data",
        "synth from-foa foa -o data",
        "tune fusion a --reference r",
        "tune vision a --reference r --post seen",
        "tune --help",
    ],
)
def test_the_spelling_of_today_stays(today: str) -> None:
    assert update_spelling(today.split()) == (today.split(), None)


def test_the_note_goes_to_stderr_and_the_command_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert exit_code("synth", str(tmp_path / "data")) == 2
    old = capsys.readouterr()
    assert exit_code("synth", "scenes", str(tmp_path / "data")) == 2
    today = capsys.readouterr()
    note = "note: `seldfuse synth …` is now `seldfuse synth scenes …`; the old spelling still works\n"
    assert (old.out, old.err) == (today.out, note + today.err)
    assert today.err == "error: expected the number of clips; add --clips 1000\n"


def test_detections_are_named_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--post", "--detections"):
        assert exit_code("tune", "vision", "nowhere", "--reference", "nowhere", option, "seen") == 2
        assert "expected" in capsys.readouterr().err
