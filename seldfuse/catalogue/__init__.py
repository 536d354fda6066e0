"""The door for plugins. A plugin imports its names from here."""

from seldfuse.catalogue.hooks import hookimpl
from seldfuse.catalogue.models import BackendModel, DetectorModel
from seldfuse.catalogue.values import API_VERSION, Backend, Detector, Feature, Writer

__all__ = [
    "API_VERSION",
    "Backend",
    "BackendModel",
    "Detector",
    "DetectorModel",
    "Feature",
    "Writer",
    "hookimpl",
]
