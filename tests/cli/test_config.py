"""`--config FILE`: defaults of options, which what is typed overrules."""

from pathlib import Path
from typing import Any

import pytest
import typer
from worlds import call

from seldfuse.cli.app import app
from seldfuse.cli.config import read_defaults, split_config
from seldfuse.errors import UsageError


def read(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "mine.toml"
    path.write_text(text)
    return read_defaults(path, typer.main.get_command(app))


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        (["--config", "a.toml", "run", "b.wav"], ["run", "b.wav"]),
        (["run", "b.wav", "--config=a.toml"], ["run", "b.wav"]),
        (["run", "--config", "a.toml", "--", "b.wav"], ["run", "--", "b.wav"]),
    ],
)
def test_the_file_may_stand_before_the_command_and_behind_it(arguments: list[str], rest: list[str]) -> None:
    assert split_config(arguments) == (rest, Path("a.toml"))


def test_what_follows_two_dashes_is_no_option() -> None:
    assert split_config(["run", "--", "--config"]) == (["run", "--", "--config"], None)
    with pytest.raises(UsageError, match=r"--config expects a TOML file, such as --config seldfuse\.toml"):
        split_config(["run", "--config"])


def test_defaults_go_to_the_parameters_of_each_command(tmp_path: Path) -> None:
    text = '[run]\ndetector-fps = 4\njson = true\nrules = "keypoint=a.toml"\n[tune.fusion]\nas_json = true\n'
    with pytest.raises(UsageError, match="'as-json' is no option of `seldfuse tune fusion`"):
        read(tmp_path, text)
    assert read(tmp_path, text.replace("as_json", "json")) == {
        "run": {"detector_fps": 4, "as_json": True, "rules": ["keypoint=a.toml"]},
        "tune": {"fusion": {"as_json": True}},
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[walk]\n", r"'walk' is no command of `seldfuse` \(run, "),
        ('backends = "sce"\n', r"'backends' is no command of `seldfuse` \("),
        ('[run]\nbakends = "sce"\n', r"'bakends' is no option of `seldfuse run` .*did you mean 'backends'\?"),
        ("[tune.fusoin]\nx = 1\n", r"'fusoin' is no command of `seldfuse tune` .*did you mean 'fusion'\?"),
        ("run = 3\n", r"run must be a table, as in \[run\], got 3"),
        ("[run]\nfov = [1, 2]\n", r"run\.fov must be one value, got \[1, 2\]"),
        ("[run\n", "expected a TOML file of defaults, but this is no TOML"),
    ],
)
def test_what_there_is_not_is_an_error_that_names_the_file(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"(?s){problem}.*mine\\.toml"):
        read(tmp_path, text)


def test_what_is_typed_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.toml"
    config.write_text("[run]\nfov = -5\nbackends = 'nobody'\n")
    assert call("run", "@demo", "--config", str(config)) == 3
    assert "there is no backend 'nobody'" in capsys.readouterr().err
    assert call("--config", str(config), "run", "@demo", "--backends", "nothing") == 3
    assert "there is no backend 'nothing'" in capsys.readouterr().err
    config.write_text("[run]\nfov = 'wide'\n")
    assert call("run", "@demo", "--config", str(config)) == 2
    assert "Invalid value for '--fov': " in capsys.readouterr().err
