"""Figures of matplotlib, which is optional."""

from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from seldfuse.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "0.6"
"""Colours that colour-blind people can tell apart: M. Okabe and K. Ito, Color universal design, 2008."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8")
"""Classes are told apart by shape."""


def make_figure(width_inch: float, height_inch: float) -> "Figure":
    """Make a figure that notebooks show, and that no window or global state knows of. Raises UsageError where
    matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise UsageError('plots need matplotlib: pip install "seldfuse[plots]"')
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            file = BytesIO()
            self.savefig(file, format="png", dpi=80)
            return file.getvalue()

    return NotebookFigure(figsize=(width_inch, height_inch), layout="constrained")


def hide_frame(axes: Any) -> None:
    """Hide the lines above and to the right, which say nothing."""
    axes.spines[["top", "right"]].set_visible(False)
