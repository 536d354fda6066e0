"""Draw the badges of the README from what the project states, so that they are true without a network.

`python docs/make_badges.py` writes `docs/images/badge-*.svg`; a test holds them against the project.
"""

import tomllib
from pathlib import Path

import seldfuse

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images"
LETTER, MARGIN, HEIGHT = 7, 8, 20
BADGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">
<title>{name}: {value}</title>
<rect width="{width}" height="{height}" rx="3" fill="#555"/>
<path d="M{left} 0H{inner}a3 3 0 0 1 3 3V17a3 3 0 0 1 -3 3H{left}z" fill="#3f51b5"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{name_x}" y="14">{name}</text>
<text x="{value_x}" y="14">{value}</text>
</g>
</svg>
"""


def draw_badges() -> dict[Path, str]:
    """Draw every badge, by its file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = project["requires-python"].removeprefix(">=")
    values = {"version": seldfuse.__version__, "python": f"{python} or newer", "license": project["license"]}
    return {FOLDER / f"badge-{name}.svg": draw_badge(name, value) for name, value in values.items()}


def draw_badge(name: str, value: str) -> str:
    """Draw a badge: a name on grey, and its value on blue."""
    left, right = (LETTER * len(text) + 2 * MARGIN for text in (name, value))
    return BADGE.format(
        name=name,
        value=value,
        width=left + right,
        inner=left + right - 3,
        left=left,
        height=HEIGHT,
        name_x=left / 2,
        value_x=left + right / 2,
    )


if __name__ == "__main__":
    for path, picture in draw_badges().items():
        path.write_text(picture, encoding="utf-8")
        print(path)
