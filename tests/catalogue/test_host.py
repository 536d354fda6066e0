"""What real installed distributions, good and broken, do to the plugin host. Installing them takes a few seconds."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import seldfuse
from seldfuse.catalogue.host import check_value, load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.registry import CatalogueEntry, PluginFailure, Registry
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.catalogue.values import Feature
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import CheckpointError, PluginError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.sdk import Backend

DOCS = Path(__file__).resolve().parents[2] / "docs"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def registry(third_party: Path) -> Iterator[Registry]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(third_party)
        load_registry.cache_clear()
        yield load_registry()
    load_registry.cache_clear()
    for name in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[name]


def failure_of(registry: Registry, entry_point: str) -> PluginFailure:
    (failure,) = (failure for failure in registry.failures if failure.entry_point == entry_point)
    return failure


def stereo(azimuth_deg: float, windows: int = 2, frames: int = 3) -> torch.Tensor:
    """Noise at an azimuth, as a coincident pair of cardioids that point left and right records it."""
    noise = 0.1 * torch.randn(windows, frames * 2400, generator=torch.Generator().manual_seed(1))
    sine = torch.sin(torch.deg2rad(torch.tensor(azimuth_deg)))
    return torch.stack([noise * (1 + sine) / 2, noise * (1 - sine) / 2], dim=1)


# The bundled plugins


def test_the_bundled_plugins_register_without_a_failure() -> None:
    load_registry.cache_clear()
    registry = load_registry()
    bundled = [entry for entry in registry.entries if entry.distribution == "seldfuse"]
    assert {"doa", "sde", "sce", "mvanet", "cmc"} <= {entry.value.name for entry in bundled}
    assert [failure for failure in registry.failures if failure.distribution == "seldfuse"] == []
    assert {entry.version for entry in bundled} == {seldfuse.__version__}


def test_features_and_formats_of_the_engine_come_through_the_same_hooks() -> None:
    registry = load_registry()
    assert {"logmel", "ild", "intensity", "stpacc"} <= set(registry.features)
    assert registry.writers["dcase"].value.suffix == ".csv"
    assert registry.writers["dcase"].value.needs == ("direction",)
    assert registry.find(Feature, "LogMel").value.compute == "seldfuse.features.logmel:compute_logmel"


@pytest.mark.parametrize("entry", load_registry().features.values(), ids=lambda entry: entry.value.name)
def test_what_a_feature_of_the_engine_refers_to_is_there(entry: CatalogueEntry[Feature]) -> None:
    value = entry.value
    assert callable(load_reference(value.compute))
    assert value.add is None or callable(load_reference(value.add))
    assert all(other in load_registry().features for other in (*value.needs, *value.alike))


@pytest.mark.parametrize("name", load_registry().augmentations)
def test_what_an_augmentation_of_the_engine_refers_to_is_there(name: str) -> None:
    value = load_registry().augmentations[name].value
    assert callable(load_reference(value.apply))
    assert all(feature in load_registry().features for feature in value.features)


@pytest.mark.parametrize("name", ["dcase", "json"])
def test_every_writer_of_the_engine_is_where_its_value_says(name: str) -> None:
    (entry,) = load_registry().find_writers(name)
    assert callable(load_reference(entry.value.write))


# A good third party


def test_a_third_party_backend_registers_as_the_bundled_ones_do(registry: Registry) -> None:
    entry = registry.backends["panning"]
    assert (entry.distribution, entry.version, entry.state) == ("acme-panning", "1.0", "ready")
    assert registry.find_backend("ACME").value is entry.value


@pytest.mark.parametrize("azimuth_deg", [-75.0, -30.0, 0.0, 12.5, 60.0])
def test_the_third_party_backend_hears_where_a_source_is(registry: Registry, azimuth_deg: float) -> None:
    backend = registry.find_backend("panning").load(CPU)
    posterior = backend.infer(make_batch(stereo(azimuth_deg)))
    assert posterior.activity.shape == (2, 3, 13, 1)
    assert posterior.direction is not None
    x, y, z = posterior.direction[:, :, DCASE2025.index("music"), 0].unbind(-1)
    torch.testing.assert_close(torch.rad2deg(torch.atan2(y, x)), torch.full((2, 3), azimuth_deg), atol=0.1, rtol=0)
    assert (z == 0).all()


def test_the_third_party_backend_hears_when_something_sounds(registry: Registry) -> None:
    audio = stereo(20.0)
    audio[:, :, :2400] = 0
    activity = registry.find_backend("panning").load(CPU).infer(make_batch(audio)).activity
    assert (activity[:, 0] < 0.01).all()
    assert (activity[:, 1:, DCASE2025.index("music")] > 0.99).all()
    assert activity.sum() == pytest.approx(activity[:, :, DCASE2025.index("music")].sum())


def test_the_page_for_plugin_authors_shows_the_code_that_is_tested() -> None:
    page = (DOCS / "plugins.md").read_text(encoding="utf-8")
    shown = re.findall(r"```(?:python|toml)\n(.*?)```", page, re.DOTALL)
    good = Path(__file__).parents[1] / "distributions" / "good"
    for path in ("pyproject.toml", "acme_panning/__init__.py", "acme_panning/backend.py"):
        assert (good / path).read_text(encoding="utf-8") in shown, path


# Broken third parties


@pytest.mark.parametrize(
    ("entry_point", "stage", "cause"),
    [
        ("import_error", "import", "ModuleNotFoundError: No module named 'acme_that_does_not_exist'"),
        ("script", "import", "SystemExit: this is a script"),
        ("misspelt", "hook", "unknown hook 'seldfuse_register_backend' in plugin"),
        ("unmarked", "hook", "seldfuse_register_writers, marked with @hookimpl, found none"),
        ("raising", "call", "RuntimeError: no more backends today"),
    ],
)
def test_a_broken_plugin_is_kept_as_a_failure(registry: Registry, entry_point: str, stage: str, cause: str) -> None:
    failure = failure_of(registry, entry_point)
    assert failure.stage == stage
    assert cause in failure.cause
    assert failure.report.endswith(f"or remove it with `pip uninstall {failure.distribution}`")


def test_a_plugin_of_version_1_is_refused_with_the_guide(registry: Registry) -> None:
    failure = failure_of(registry, "old")
    assert failure.report == (
        f"the plugin imports seldfuse.plugin and is written for plugin API 1, seldfuse {seldfuse.__version__} expects "
        "2; upgrade with `pip install -U acme-old`, or change the plugin as docs/plugins.md says"
    )


def test_refused_values_say_what_was_expected_and_what_came(registry: Registry) -> None:
    causes = {(f.entry_point, f.name): f.report for f in registry.failures if f.stage == "register"}
    causes.pop(("old", ""))
    assert causes.pop(("taken", "Doa")) == (
        f"backend 'Doa': the name 'Doa' is taken by seldfuse {seldfuse.__version__}; "
        "to be rid of the newcomer, `pip uninstall acme-taken`"
    )
    assert causes.pop(("taken", "mine")).startswith("backend 'mine': the name 'SED_SCE' is taken by seldfuse")
    assert causes.pop(("versions", "future")) == (
        f"backend 'future' is written for plugin API 99, seldfuse {seldfuse.__version__} expects 2; "
        "upgrade with `pip install -U seldfuse`"
    )
    assert causes.pop(("versions", "past")) == (
        f"backend 'past' is written for plugin API 1, seldfuse {seldfuse.__version__} expects 2; "
        "upgrade with `pip install -U acme-versions`, or change the plugin as docs/plugins.md says"
    )
    assert causes.pop(("careless", "a,b@c")) == (
        "backend 'a,b@c': a name may hold letters, digits, '.', '-' and '_', got 'a,b@c'; "
        "tell the makers of acme-careless"
    )
    assert causes.pop(("statements", "odd")) == (
        "feature 'odd': mirror='swap' exchanges two halves of the channels, got 3; tell the makers of acme-careless"
    )
    assert causes.pop(("statements", "eager")) == (
        "augmentation 'eager': to install it must not change a training, so its default must be 0, got 0.5; "
        "tell the makers of acme-careless"
    )
    assert causes.pop(("careless", "")).endswith("got Writer; tell the makers of acme-careless")
    assert causes == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"summary": None}, "summary must be str, got None"),
        ({"name": 3}, "name must be str, got 3"),
        ({"api_version": "2"}, "api_version must be int, got '2'"),
        ({"axis": "mels"}, "axis must be 'mel' or 'lag' or 'other', got 'mels'"),
        ({"level": "db"}, "level must be 'independent' or 'decibel' or None, got 'db'"),
        ({"mirror": "swop"}, "mirror must be 'same', 'negate', 'swap' or a reference 'module:attribute', got 'swop'"),
    ],
)
def test_a_field_of_another_type_is_refused(changes: dict[str, object], message: str) -> None:
    value = Feature(name="pan", summary="pan", api_version=2, compute="acme:compute")
    for name, given in changes.items():
        # In tests the constructor itself checks types; where users are, nothing does.
        object.__setattr__(value, name, given)
    with pytest.raises(PluginError) as caught:
        check_value(value, Feature, "acme", {})
    assert str(caught.value).endswith(f"{message}; tell the makers of acme")


def test_what_is_no_value_at_all_is_refused(registry: Registry) -> None:
    reports = [failure.report for failure in registry.failures]
    assert "register expected a Backend, got str; tell the makers of acme-careless" in reports


def test_good_values_of_bad_plugins_and_good_plugins_among_bad_ones_stay(registry: Registry) -> None:
    assert {"careful", "before-the-fall", "panning", "doa", "sce"} <= set(registry.backends)
    assert registry.backends["doa"].distribution == "seldfuse"


def test_a_writer_may_have_the_name_of_a_backend(registry: Registry) -> None:
    assert registry.writers["sce"].distribution == "acme-taken"
    assert registry.backends["sce"].distribution == "seldfuse"


def test_entries_come_bundled_first_then_by_entry_point(registry: Registry) -> None:
    bundled = [entry.distribution == "seldfuse" for entry in registry.entries]
    assert bundled == sorted(bundled, reverse=True)
    others = [entry.value.name for entry in registry.entries if entry.distribution != "seldfuse"]
    assert others[:3] == ["careful", "laser", "radar"]
    assert others[-3:] == ["panning", "before-the-fall", "sce"]


def test_a_value_whose_modules_are_missing_needs_its_extra(registry: Registry) -> None:
    laser = registry.backends["laser"]
    assert (laser.state, laser.missing) == ("needs extra", ("acme_lasers",))
    with pytest.raises(PluginError) as caught:
        registry.find_backend("laser")
    assert str(caught.value) == (
        "backend 'laser' needs the modules acme_lasers, which are not installed: `pip install 'acme-extra[lasers]'`"
    )


def test_without_an_extra_the_missing_modules_themselves_are_named(registry: Registry) -> None:
    with pytest.raises(PluginError, match=r"install what brings the modules acme_radar\.antenna$"):
        registry.find_post("radar")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("late-crash", PluginError, "backend 'late-crash' failed while it was loaded (RuntimeError: out of coffee); "
         "tell the makers of acme-late, or leave it out of --backends"),
        ("late-checkpoint", CheckpointError, "no weights here"),
        ("late-promise", PluginError, "acme_late:promise must return an object with features, encoders and "
         "infer(batch), got str without features, encoders, infer; tell the makers of acme-late"),
        ("late-nowhere", PluginError, "cannot load 'acme_late:nowhere' (AttributeError: module 'acme_late' has no "
         "attribute 'nowhere'); to see where it fails: `python -c \"import acme_late\"`"),
    ],
)  # fmt: skip
def test_a_backend_that_fails_when_it_is_loaded_says_whose_fault_it_is(
    registry: Registry, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        registry.find_backend(name).load(CPU)
    assert str(caught.value) == message


# Looking names up


def entry(
    name: str, aliases: tuple[str, ...] = (), load: str | None = "x:load", checkpoint: str | None = None
) -> CatalogueEntry:
    value = Backend(name=name, aliases=aliases, api_version=2, summary="", load=load, provides=("activity",),
                    default_checkpoint=checkpoint)  # fmt: skip
    return CatalogueEntry(value, "seldfuse", "0.1.0")


BROKEN = PluginFailure("acme-sounds", "2.0", "boom_box", "import", ImportError("no luck"))
PLAIN = Registry(
    (
        entry("sce", ("sed-sce",), checkpoint="sce-medium"),
        entry("doa", ("sed-doa",), checkpoint="doa-medium"),
        entry("panning"),
        entry("cmc", load=None),
    ),
    (BROKEN,),
)


@pytest.mark.parametrize("typed", ["sce", "SCE", "sed-sce", "Sed_SCE", " sce "])
def test_case_and_aliases_do_not_matter(typed: str) -> None:
    found = PLAIN.find_backend(typed)
    assert (found.value.name, found.instance, found.checkpoint) == ("sce", typed.strip(), "sce-medium")


def test_a_checkpoint_stands_after_the_at_and_is_kept_as_typed() -> None:
    found = PLAIN.find_backend("sce@hf:Org/Name@v2")
    assert found == BackendRequest(found.value, "sce@hf:Org/Name@v2", "hf:Org/Name@v2", "seldfuse")


@pytest.mark.parametrize("typed", ["KeyPoint", " keypoint "])
def test_a_detector_is_called_by_its_own_name_by_which_settings_are_looked_up(typed: str) -> None:
    (found,), _ = load_registry().find_post(typed)
    assert found.instance == "keypoint"
    (found,), _ = load_registry().find_post(f"{typed.strip()}@movenet")
    assert found.instance == "keypoint@movenet"


def test_a_backend_without_weights_has_no_checkpoint() -> None:
    assert PLAIN.find_backend("panning").checkpoint is None


def test_a_list_keeps_its_order() -> None:
    found = PLAIN.find_backends("sce, doa,sce@runs/best")
    assert [request.instance for request in found] == ["sce", "doa", "sce@runs/best"]


@pytest.mark.parametrize("text", ["sce,sce", "sce,sed-sce", "sce,SCE", "sce@sce-medium,sce", "doa,sce@a,sed-sce@a"])
def test_the_same_model_and_checkpoint_twice_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        PLAIN.find_backends(text)
    assert str(caught.value) == (
        f"{text!r} names the same thing twice; name each once, or give each its own name@checkpoint"
    )


@pytest.mark.parametrize("text", ["", ",", "sce,", "sce,,doa", "@runs/best", " "])
def test_what_is_no_list_of_names_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"^expected names separated by commas, got .*; see `seldfuse plugins`$"):
        PLAIN.find_backends(text)


def test_an_at_without_a_checkpoint_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        PLAIN.find_backends("doa,sce@")
    assert str(caught.value) == "expected a checkpoint after the @, got 'sce@'; type 'sce' for the bundled one"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scee", "there is no backend 'scee'; did you mean 'sce'? "
         "Known: cmc, doa, panning, sce; see `seldfuse plugins`"),
        ("", "there is no backend ''; Known: cmc, doa, panning, sce; see `seldfuse plugins`"),
        ("zebra", "there is no backend 'zebra'; Known: cmc, doa, panning, sce; see `seldfuse plugins`"),
        ("cmc", "backend 'cmc' is planned and not built in seldfuse 0.1.0; built are doa, panning, sce, planned cmc"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_used_is_a_plugin_error(name: str, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        PLAIN.find_backend(name)
    assert str(caught.value) == message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["boom-box", "boom_box", "Acme-Sounds", "acme_sounds@runs/best"])
def test_a_name_of_a_failed_plugin_tells_the_cause_and_what_to_type(name: str) -> None:
    with pytest.raises(PluginError) as caught:
        PLAIN.find_backend(name)
    assert str(caught.value) == (
        f"backend {name.partition('@')[0]!r} comes from a plugin that failed: ImportError: no luck; "
        "update it with `pip install -U acme-sounds` or remove it with `pip uninstall acme-sounds`"
    )


def test_a_refused_value_is_found_by_its_name(registry: Registry) -> None:
    with pytest.raises(PluginError, match=r"^backend 'future' comes from a plugin that failed: .* plugin API 99, "):
        registry.find_backend("future")


def test_nobody_is_told_to_uninstall_seldfuse() -> None:
    failure = PluginFailure("seldfuse", "0.1.0", "cmc", "import", ImportError("no luck"))
    assert failure.report == "ImportError: no luck; update it with `pip install -U seldfuse`"


@pytest.mark.parametrize("reference", ["json", "json:", ":load", ""])
def test_a_reference_without_module_and_attribute_is_a_plugin_error(reference: str) -> None:
    with pytest.raises(PluginError, match=r"^a plugin's reference must be 'module:attribute', got '.*'$"):
        load_reference(reference)


def test_a_reference_is_imported_when_it_is_asked_for() -> None:
    import json

    assert load_reference("json:dumps") is json.dumps


def test_a_module_that_fails_at_its_import_is_a_plugin_error_with_the_cause() -> None:
    with pytest.raises(PluginError) as caught:
        load_reference("acme.nowhere:load")
    assert str(caught.value) == (
        "cannot load 'acme.nowhere:load' (ModuleNotFoundError: No module named 'acme'); "
        'to see where it fails: `python -c "import acme.nowhere"`'
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
