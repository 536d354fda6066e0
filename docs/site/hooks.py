"""What MkDocs asks while it builds the site (`mkdocs.yml`).

The references of commands, of settings and of what plugins import are made of the code, so they are never out of step
with it. Notebooks become pages, with the outputs that they hold. Files of the repository outside of `docs/` that a page
links to are taken into the site, under `repository/`.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from command_reference import describe_commands
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from sdk_reference import describe_sdk
from settings_reference import describe_settings

ROOT = Path(__file__).resolve().parents[2]
TAKEN = "repository"
"""The folder of the site for files of the repository that are not among the docs."""

LINK = re.compile(r"(\]\()([^)\s#]+)")
REFERENCES = {
    "reference/commands.md": describe_commands,
    "reference/settings.md": describe_settings,
    "reference/sdk.md": describe_sdk,
}


def on_files(files: Files, *, config: Any) -> Files:
    """Add the references, the notebooks, and the files that pages link to."""
    for name, describe in REFERENCES.items():
        files.append(File.generated(config, name, content=describe()))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        for name, content in _convert(Path(notebook.abs_src_path), Path(notebook.src_uri)):
            files.append(File.generated(config, name, content=content))
    waiting = [
        path
        for page in files.documentation_pages()
        for path in _list_outside(page.content_string, f"docs/{page.src_uri}")
    ]
    waiting += ["CONTRIBUTING.md", "CHANGELOG.md"]
    while waiting:
        path = waiting.pop()
        if files.get_file_from_path(f"{TAKEN}/{path}") is None:
            files.append(File.generated(config, f"{TAKEN}/{path}", abs_src_path=str(ROOT / path)))
            if path.endswith(".md"):
                waiting += _list_outside((ROOT / path).read_text(encoding="utf-8"), path)
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn links between `docs/` and the rest of the repository into links of the site."""
    source = page.file.src_uri
    here = source.removeprefix(f"{TAKEN}/") if source.startswith(f"{TAKEN}/") else f"docs/{source}"

    def turn(match: re.Match[str]) -> str:
        path = _find_in_repository(match[2], here)
        if path is None:
            return match[0]
        target = path.removeprefix("docs/") if path.startswith("docs/") else f"{TAKEN}/{path}"
        target = re.sub(r"\.ipynb$", ".md", target)
        return match[1] + posixpath.relpath(target, posixpath.dirname(source) or ".")

    return LINK.sub(turn, markdown)


def _convert(path: Path, place: Path) -> Iterator[tuple[str, str | bytes]]:
    """The page of a notebook and its pictures, by their names in the site."""
    resources = {"output_files_dir": f"{place.stem}-pictures"}
    text, resources = MarkdownExporter().from_filename(str(path), resources=resources)
    yield place.with_suffix(".md").as_posix(), text
    for name, content in resources["outputs"].items():
        yield (place.parent / name).as_posix(), content


def _list_outside(text: str, here: str) -> Iterator[str]:
    for match in LINK.finditer(text):
        path = _find_in_repository(match[2], here)
        if path is not None and not path.startswith("docs/"):
            yield path


def _find_in_repository(link: str, here: str) -> str | None:
    """Find the path of a link's file below the repository's root; None for addresses and for what is not there."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
    return path if "://" not in link and not path.startswith("..") and os.path.isfile(ROOT / path) else None
