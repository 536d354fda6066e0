# `make demo` runs on the bundled clip, `make test` runs the tests and a notebook; `make test-extras` installs extras
# into environments of their own and runs their detectors there; `make test-report` opens the pages of reports in
# Chromium (Debian's packages chromium and chromium-driver). `make docs` builds the site of the docs, strictly, and on a
# terminal serves and opens it. `make bench` times a run, rendering of scenes, a training step, encoders and fusion, and
# fails where a limit is broken. `make results SOUNDS=… SPRITES=…` repeats the studies that the docs quote: the stereo
# law in rooms, the statistics of drawn scenes, scores of the bundled checkpoints on the frozen scenes with and without
# pictures (docs/results.md), and what tuning adds (docs/tuning.md). `make fit` fits anew what ships fitted, once
# checkpoints were renewed: fusion, events, vision and the table of the best ensembles. `make fuzz N=10000` gives every
# reader damaged files, `make chaos N=100` kills commands at random moments (and the processes of Ray, where the extra
# cluster is installed), `make check-deps` checks the licences of the lock, and with pip-audit its known flaws. All make
# their environment first.

PYTHON ?= python3.11
VENV ?= .venv
# Isolated sounds, for the studies that need real ones.
SOUNDS ?= ../shared/data/soundbank
# Cut-outs of people and things, for the pictures of the audio-visual scenes.
SPRITES ?= ../shared/data/sprites
PICTURES ?= ../shared/data/pictures
BACKGROUNDS ?= ../shared/data/backgrounds
# How many damaged files, or kills.
N ?= 100
# This exact version finds a local CPU build where there is one; elsewhere pip takes the platform's ordinary build.
TORCH ?= torch==2.13.0
PIP_INSTALL = $(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-extras test-report docs bench results fit check check-deps fuzz chaos clean

demo: $(VENV)/core.stamp
	$(VENV)/bin/seldfuse run @demo --backends mvanet,sce --post keypoint,gdino --explain -o out --overwrite

test: $(VENV)/dev.stamp
	$(VENV)/bin/pytest
	$(VENV)/bin/pytest --quiet --nbmake docs/notebooks/run-a-file.ipynb

test-extras: $(VENV)/dev.stamp
	SELDFUSE_TEST_EXTRAS=1 TORCH=$(TORCH) $(VENV)/bin/pytest tests/test_extras.py tests/train/test_base_recipes.py

test-report: $(VENV)/dev.stamp
	$(VENV)/bin/pytest tests/report_browser

# Until mkdocs-material's end of life in May 2027; its successor zensical reads the same file, but runs no hooks yet.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/dev.stamp
	$(VENV)/bin/mkdocs build --strict --quiet
	@if [ -t 1 ]; then $(VENV)/bin/mkdocs serve --open; else echo "the site is in site/; to read it: $(VENV)/bin/mkdocs serve --open"; fi

bench: $(VENV)/dev.stamp
	$(VENV)/bin/python -m benchmarks
	$(VENV)/bin/python -m benchmarks start-speed
	$(VENV)/bin/python -m benchmarks synth-speed
	$(VENV)/bin/python -m benchmarks foa-speed
	$(VENV)/bin/python -m benchmarks train-speed
	$(VENV)/bin/python -m benchmarks eyes-speed
	$(VENV)/bin/python -m benchmarks overlay-speed
	$(VENV)/bin/python -m benchmarks fusion-speed
	$(VENV)/bin/python -m benchmarks tuning-speed
	$(VENV)/bin/python -m benchmarks limits

results: $(VENV)/dev.stamp
	$(VENV)/bin/python -m benchmarks stereo-law
	$(VENV)/bin/python -m benchmarks statistics --sounds $(SOUNDS)
	$(VENV)/bin/python -m benchmarks results --sounds $(SOUNDS)
	$(VENV)/bin/python -m benchmarks cards
	$(VENV)/bin/python -m benchmarks eyes --sounds $(SOUNDS) --sprites $(SPRITES)
	$(VENV)/bin/python -m benchmarks post --sounds $(SOUNDS) --sprites $(SPRITES)
	$(VENV)/bin/python -m benchmarks looking --sounds $(SOUNDS) --pictures $(PICTURES) --backgrounds $(BACKGROUNDS)
	$(VENV)/bin/python -m benchmarks papers
	$(VENV)/bin/python -m benchmarks tuning --sounds $(SOUNDS)
	$(VENV)/bin/python -m benchmarks faults --sounds $(SOUNDS)
	$(VENV)/bin/python -m benchmarks own-classes --sounds $(SOUNDS)

fit: $(VENV)/dev.stamp
	$(VENV)/bin/python -m benchmarks fit --sounds $(SOUNDS) --pictures $(PICTURES) --backgrounds $(BACKGROUNDS)

check: $(VENV)/dev.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

fuzz: $(VENV)/dev.stamp
	SELDFUSE_FUZZ_CASES=$(N) $(VENV)/bin/pytest -q tests/fuzz

chaos: $(VENV)/dev.stamp
	SELDFUSE_KILLS=$(N) $(VENV)/bin/pytest -q tests/chaos

# pip-audit asks a server on the network; where there is none, or it is not installed, that half is left out.
check-deps: $(VENV)/dev.stamp
	$(VENV)/bin/python tests/licenses.py
	@if [ -x $(VENV)/bin/pip-audit ]; then $(VENV)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip; \
	else echo "pip-audit is not installed; to look for known flaws: $(VENV)/bin/pip install pip-audit"; fi

$(VENV)/core.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) $(TORCH) -e .
	touch $@

$(VENV)/dev.stamp: $(VENV)/core.stamp
	$(PIP_INSTALL) $(TORCH) -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) out build dist
