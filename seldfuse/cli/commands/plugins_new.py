"""`seldfuse plugins new`: a package of one's own, ready to install, test and run."""

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Annotated, Literal

import typer

from seldfuse.cli.console import print_result
from seldfuse.errors import UsageError

Kind = Literal["backend", "detector", "postprocessor", "feature", "encoder", "augmentation", "score", "writer"]

TITLES: Mapping[str, str] = {"postprocessor": "post-processor"}
CONTRACTS: Mapping[str, str] = {"postprocessor": "PostProcessorContract"}
"""Those that are not the kind in capitals and `Contract`."""

COMMANDS: Mapping[str, str] = {
    "backend": "seldfuse run @demo --backends $name -o out",
    "detector": "seldfuse run @demo --backends sce --post $name -o out",
    "postprocessor": "seldfuse run @demo --post $name -o out",
    "feature": 'seldfuse train doa --set \'features=["logmel", "$name"]\' --data synth --sounds SOUNDS -o runs/$name',
    "encoder": (
        'seldfuse train mvanet --set \'encoders=["$name"]\' --set \'network.visual={encoder="$name", tokens=8, '
        "channels=3, column_dim=32, gate_channels=8, multiplicative_gate=true}' --data synth --sounds SOUNDS "
        "-o runs/$name"
    ),
    "augmentation": "seldfuse train doa --set augment.$name=0.5 --data synth --sounds SOUNDS -o runs/$name",
    "score": "seldfuse eval PREDICTIONS REFERENCE",
    "writer": "seldfuse run @demo --formats $name -o out",
}
"""What makes use of each kind."""

NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
"""It is a part of names of modules, distributions and files, and stands in lists of names."""


def new_plugin(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the new backend, feature, …", show_default=False)
    ],
    kind: Annotated[Kind, typer.Option("--kind", help="What it is.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder to make; NAME in this one otherwise.", show_default=False)
    ] = None,
) -> None:
    """Write the package of a new plugin, which can be installed, tested and run at once.

    It has one value of the kind, a small working example behind it, and tests that check what seldfuse asks of it.
    """
    folder = out or Path(name)
    _check_name(name, kind)
    _check_folder(folder)
    _write(render_plugin(name, kind), folder)
    print_result(
        f"wrote {folder}; next:\n",
        f"    pip install -e '{folder}' && pytest '{folder}'",
        "    seldfuse plugins",
        f"    {Template(COMMANDS[kind]).substitute(name=name)}",
    )


def render_plugin(name: str, kind: str) -> dict[str, str]:
    """Render the files of a new plugin: their text by their path inside of its folder."""
    module = f"seldfuse_{name.replace('-', '_')}"
    title = TITLES.get(kind, kind)
    article = "an" if title[0] in "aeiou" else "a"
    words = {
        "name": name,
        "kind": kind,
        "title": title,
        "article": article,
        "article_upper": article.capitalize(),
        "module": module,
        "distribution": f"seldfuse-{name}",
        "class_name": "".join(part.capitalize() for part in re.split("[_-]", name)),
        "contract": CONTRACTS.get(kind, f"{kind.capitalize()}Contract"),
        "command": Template(COMMANDS[kind]).substitute(name=name),
    }
    templates = {
        "pyproject.toml": "pyproject.txt",
        "README.md": "readme.txt",
        "LICENSE": "license.txt",
        f"{module}/__init__.py": f"{kind}/value.txt",
        f"{module}/{kind}.py": f"{kind}/code.txt",
        f"tests/test_{module}.py": "test.txt",
    }
    return {path: Template(_read(template)).substitute(words) for path, template in templates.items()}


def _read(template: str) -> str:
    return resources.files("seldfuse.cli").joinpath("templates", template).read_text(encoding="utf-8")


def _check_name(name: str, kind: str) -> None:
    """Raise UsageError for a name that cannot be used, or is taken."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"expected a name of small letters, digits, - and _ that begins with a letter, such as my-{kind}, "
            f"got {name!r}"
        )
    from seldfuse.catalogue.hooks import HOOKS
    from seldfuse.catalogue.host import find_namespace, load_registry

    namespace = find_namespace(HOOKS[f"seldfuse_register_{kind}s"])
    for entry in load_registry().entries:
        if isinstance(entry.value, namespace) and entry.matches(name):
            raise UsageError(
                f"the name {name!r} is taken by the {entry.value.kind} {entry.value.name!r} of {entry.distribution} "
                f"{entry.version}; choose another, `seldfuse plugins` lists them all"
            )
    module = f"seldfuse_{name.replace('-', '_')}"
    if importlib.util.find_spec(module) is not None:
        raise UsageError(f"a module {module} is installed already; choose another name than {name!r}")


def _check_folder(folder: Path) -> None:
    """Raise UsageError where the folder is not new, nor empty, the one where the command is typed, or unreadable."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()) or folder.resolve() == Path.cwd())
    except OSError as error:
        raise UsageError(f"cannot write here ({error.strerror}); choose another folder with -o: {folder}") from error
    if taken:
        raise UsageError(f"expected a folder that is new, or empty; choose another with -o: {folder}")


def _write(files: Mapping[str, str], folder: Path) -> None:
    """Write all files or none. Raises UsageError where the folder cannot be written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise UsageError(f"cannot write here ({error.strerror}); choose another folder with -o: {folder}") from error
    try:
        # What mkdtemp makes is closed to others.
        draft.chmod(0o755)
        for name, text in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        draft.replace(folder)
    except OSError as error:
        raise UsageError(f"writing failed ({error.strerror}): {folder}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
