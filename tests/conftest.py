"""Shapes are checked at run time in tests: every jaxtyping annotation of the engine and its plugins becomes a check."""

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

PACKAGES = ["seldfuse", "seldfuse_sed_doa", "seldfuse_sed_sde", "seldfuse_sed_sce"]
install_import_hook(PACKAGES, "beartype.beartype")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development folder with golden numbers and recordings; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the development folder ../shared is not here")
    return SHARED
