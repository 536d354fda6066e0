"""The report of an output folder: a page for each clip and one of all clips."""

from pathlib import Path

from seldfuse.core.result import Result
from seldfuse.report.index import ClipLine, write_index
from seldfuse.report.page import Neighbors, write_clip_page
from seldfuse.report.read import REPORT, ReportSources, find_results, report_result
from seldfuse.report.render import PageAssets, make_address

CLIPS = "clips"
INDEX = "index.html"


def write_report(sources: ReportSources, embed: bool = False, out: Path | None = None) -> Path:
    """Write `index.html` and `clips/NAME.html` of all clips into `out`, or else into `report` in the output folder.
    Return the path of the index.

    With `embed` each page holds its recording and all scripts. Raises UsageError where there is nothing to show or a
    file cannot be read or written.
    """
    folder = sources.folder / REPORT if out is None else out
    assets = PageAssets(folder, embed)
    chosen = list(find_results(sources.folder))
    pages = {name: find_page(folder, name) for name in chosen}
    lines = []
    for place, report in enumerate(sources.read_clips()):
        path = pages[report.name]
        around = [chosen[one] if 0 <= one < len(chosen) else None for one in (place - 1, place + 1)]
        before, after = (make_address(pages[name], path) if name else "" for name in around)
        write_clip_page(report, path, assets, Neighbors(make_address(folder / INDEX, path), before, after))
        lines.append(ClipLine.summarize(report, make_address(path, folder / INDEX)))
    assets.write_library()
    write_index(lines, folder / INDEX, assets, sources.folder.resolve().name)
    return folder / INDEX


def write_result_page(result: Result, path: Path, embed: bool = False) -> None:
    """Write the page of a result in memory, and the scripts that it needs beside it, or inside with `embed`. Raises
    UsageError where a file cannot be read or written."""
    assets = PageAssets(path.parent, embed)
    write_clip_page(report_result(result), path, assets)
    assets.write_library()


def find_page(folder: Path, name: str) -> Path:
    """Find the path of a clip's page in the folder of a report."""
    return folder / CLIPS / f"{name}.html"
