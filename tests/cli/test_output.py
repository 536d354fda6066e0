"""What is refused before anything is written."""

from pathlib import Path

import pytest

from seldfuse.cli.output import OutputWriter
from seldfuse.errors import UsageError
from seldfuse.sdk import Writer
from seldfuse.testing import registry_with


def test_two_formats_that_would_write_one_file_are_refused(tmp_path: Path) -> None:
    twin = Writer(name="twin", api_version=2, summary="a twin", write="acme:write", suffix=".json")
    with pytest.raises(UsageError, match=r"the formats json and twin would write the same file, NAME\.json"):
        OutputWriter(tmp_path, "json,twin", {"activity"}, registry_with(twin), as_json=False)
