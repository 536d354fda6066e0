"""The packages that an engine needs, and what to type where they are not here."""

from functools import partial

from seldfuse.compat import packages

INSTALL = '`pip install "seldfuse[keypoint]"`'

require = partial(packages.require_packages, install=INSTALL)
