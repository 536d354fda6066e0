"""Pages as files: the template, the data in it, the scripts beside it or inside of it.

Text from files is escaped by the template (Jinja's autoescape), or goes as JSON into an element that is no script to a
browser, and from there into the page as text. A policy in the head refuses scripts without the page's own number, and
any address but files beside the page.
"""

import base64
import json
import mimetypes
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically

if TYPE_CHECKING:
    import jinja2

PLOTLY = "plotly.min.js"
ASSETS = Path(__file__).parent / "assets"

LARGEST_EMBEDDED_BYTES = 200_000_000
"""Browsers refuse addresses of half a gigabyte, and a text is a third longer than its bytes."""

TYPES = {".mkv": "video/x-matroska", ".mka": "audio/x-matroska", ".flac": "audio/flac", ".opus": "audio/ogg",
         ".m4a": "audio/mp4", ".mov": "video/mp4"}  # fmt: skip
"""What a browser is told where Python's own list says something that it would refuse without a look, or nothing."""


@dataclass(frozen=True)
class PageAssets:
    """Where the pages lie, and whether each holds all that it needs inside."""

    folder: Path
    embed: bool = False

    def write_library(self) -> None:
        """Write the one copy of Plotly's script beside the pages. Raises UsageError."""
        if not self.embed:
            with write_atomically(self.folder / PLOTLY) as draft:
                draft.write_bytes(read_plotly())

    def find_library(self, page: Path) -> str:
        """Find the address of Plotly's script as seen from a page."""
        return make_address(self.folder / PLOTLY, page)


@dataclass(frozen=True)
class PlayedFile:
    """A recording as a page plays it: its address, its name, and what stands in place of it where it is not there."""

    address: str
    name: str
    why_not: str = ""

    @classmethod
    def refer(cls, path: Path, page: Path, assets: PageAssets) -> "PlayedFile":
        """Refer to a file by its path as seen from the page, or hold it."""
        if not assets.embed:
            return cls(make_address(path, page), path.name)
        try:
            if path.stat().st_size > LARGEST_EMBEDDED_BYTES:
                return cls("", path.name, f"{path.name} is too large to be inside of a page.")
            content = base64.b64encode(path.read_bytes()).decode("ascii")
        except OSError as error:
            return cls("", path.name, f"{path.name} cannot be read: {error.strerror}.")
        kind = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return cls(f"data:{kind};base64,{content}", path.name)


def make_address(path: Path, page: Path) -> str:
    """Make the address of a file as seen from a page: relative, with all quoted that means something in an address."""
    try:
        return quote(Path(os.path.relpath(path.absolute(), page.absolute().parent)).as_posix())
    except ValueError:  # Another drive.
        return path.absolute().as_uri()


def to_script_json(data: Any) -> str:
    """Convert to JSON that can stand in an element of a page whatever it says. Raises ValueError for NaN."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    # json escapes what is not ASCII, so that line ends of Unicode are escaped already.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def render(
    template: str, path: Path, assets: PageAssets, data: Mapping[str, Any], with_plots: bool = True, **values: Any
) -> None:
    """Write a page from a template and its data. Raises UsageError where `path` cannot be written."""
    import markupsafe

    name = template.partition(".")[0]
    text = (
        _templates()
        .get_template(template)
        .render(
            **values,
            data=markupsafe.Markup(to_script_json(data)),
            nonce=secrets.token_urlsafe(16),
            style=markupsafe.Markup(_read("report.css")),
            scripts=[markupsafe.Markup(_read(file)) for file in ("common.js", f"{name}.js")],
            library=assets.find_library(path) if with_plots and not assets.embed else "",
            library_text=markupsafe.Markup(_read_plotly_inline()) if with_plots and assets.embed else "",
        )
    )
    with write_atomically(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


@cache
def read_plotly() -> bytes:
    """Read Plotly's script, which its Python package ships. Raises UsageError where it is not installed."""
    try:
        import plotly
    except ImportError as error:
        raise UsageError("a report needs plotly, which is not installed: pip install plotly") from error
    return (Path(plotly.__file__).parent / "package_data" / PLOTLY).read_bytes()


@cache
def _read_plotly_inline() -> str:
    """Plotly's script such that it can stand inside of a page: only texts in it may hold the end of an element."""
    return read_plotly().decode("utf-8").replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _read(file: str) -> str:
    return (ASSETS / file).read_text(encoding="utf-8")


@cache
def _templates() -> "jinja2.Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
