"""Shapes are checked at run time in tests: every jaxtyping annotation of the engine and its plugins becomes a check."""

import importlib.util
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["seldfuse", *(path.parent.name for path in ROOT.glob("plugins/*/__init__.py"))]
install_import_hook(PACKAGES, "beartype.beartype")

SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development folder with golden numbers and recordings; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the development folder ../shared is not here")
    return SHARED


@pytest.fixture
def here_and_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes for training are rendered in this process: to start another takes seconds."""
    from worlds import HereAndNow

    from seldfuse.synth import bank

    monkeypatch.setattr(bank, "ProcessPoolExecutor", HereAndNow)
    monkeypatch.setattr(bank, "prepare_worker", lambda: None)


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed every project of `tests/distributions`; put it on the import path."""
    if importlib.util.find_spec("pip") is None or importlib.util.find_spec("hatchling") is None:
        pytest.skip("installing the distributions of the tests needs pip and hatchling in this environment")
    target = tmp_path_factory.mktemp("third-party")
    from seldfuse.testing import install_distribution

    install_distribution(
        target, *sorted(path.parent for path in Path(__file__).parent.glob("distributions/*/pyproject.toml"))
    )
    return target
