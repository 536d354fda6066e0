"""Backends and the encoders that they ask for, loaded."""

import os
from collections.abc import Mapping, Sequence

import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.models import BackendModel
from seldfuse.catalogue.registry import Registry
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.core.device import resolve_device
from seldfuse.encoders.load import LoadedEncoder, check_version, load_encoder
from seldfuse.encoders.token_cache import EMBEDDINGS, TokenCache
from seldfuse.inference.clips import LoadedBackends
from seldfuse.storage.cache import cache_folder


def _use_one_thread() -> None:
    """The threads of torch do not survive a fork: a child that waited for them would wait for ever."""
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)


def load(reference: str, device: str = "auto") -> BackendModel:
    """Load one backend, `name` or `name@checkpoint`, whose `infer` takes windows of sound.

    The encoders that it asks for are not loaded; a Pipeline does that. Raises UsageError, PluginError or
    CheckpointError.

    >>> load("baseline", device="cpu").features
    ('logmel',)
    """
    return load_registry().find_backend(reference).load(resolve_device(device))


def load_backends(
    backends: str | Sequence[str | BackendRequest], device: str = "auto", registry: Registry | None = None
) -> LoadedBackends:
    """Load backends, and the encoders that they ask for, onto a device.

    `backends` are names separated by commas, or a list of names. Raises UsageError, PluginError or CheckpointError.
    """
    registry = registry or load_registry()
    requests = find_requests(backends, registry)
    place = resolve_device(device)
    models = {request.instance: request.load(place) for request in requests}
    features = tuple(dict.fromkeys(name for model in models.values() for name in model.features))
    cache = TokenCache(cache_folder() / EMBEDDINGS)
    provides = {request.instance: request.value.provides for request in requests}
    return LoadedBackends(models, features, place, load_encoders(models, place, registry), cache, registry, provides)


def find_requests(backends: str | Sequence[str | BackendRequest], registry: Registry) -> tuple[BackendRequest, ...]:
    """Find the backends that names stand for. Raises UsageError or PluginError."""
    if not isinstance(backends, str) and any(isinstance(one, BackendRequest) for one in backends):
        return tuple(one if isinstance(one, BackendRequest) else registry.find_backend(one) for one in backends)
    return registry.find_backends(backends if isinstance(backends, str) else ",".join(map(str, backends)))


def load_encoders(
    backends: Mapping[str, BackendModel], device: torch.device, registry: Registry | None = None
) -> dict[str, LoadedEncoder]:
    """Load the encoders that backends ask for, each once, by their references.

    Raises CheckpointError where one is missing, or is not the one that a backend was trained with.
    """
    encoders: dict[str, LoadedEncoder] = {}
    for instance, backend in backends.items():
        for name, version in backend.encoders.items():
            if name not in encoders:
                encoders[name] = load_encoder(name, device, registry)
            check_version(encoders[name], name, version, instance)
    return encoders
