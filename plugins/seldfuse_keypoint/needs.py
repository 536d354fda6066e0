"""The packages that an engine needs, and what to type where they are not here."""

from functools import partial

from seldfuse.sdk import require_packages

INSTALL = '`pip install "seldfuse[keypoint]"`'

require = partial(require_packages, install=INSTALL)
