"""The packages that an engine needs, and what to type where they are not here."""

from functools import partial

from seldfuse.sdk import require_packages

require = partial(require_packages, install='`pip install "seldfuse[gdino]"`')
