"""The packages that an engine needs, and what to type where they are not here."""

from functools import partial

from seldfuse.compat import packages

require = partial(packages.require_packages, install='`pip install "seldfuse[gdino]"`')
