# What a newcomer runs: make demo, make test. What a developer runs: make check, make bench, make reports, make docs.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST_WORKERS ?= 3
EXTRAS := phantom,utility,dev,docs
# WHEELHOUSE=FOLDER installs from a folder that make wheelhouse filled, and looks nowhere else
FROM := $(if $(WHEELHOUSE),--no-index --find-links $(abspath $(WHEELHOUSE)))

.PHONY: setup demo test test-long check bench validity imports soak reports docs reference wheelhouse clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(FROM) -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

demo: setup
	$(BIN)/jsddpm demo --out runs/demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

test-long: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -m long

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md docs jsddpm jsddpm_eval cli reports benchmarks

bench: setup
	$(BIN)/python benchmarks/run.py

validity: setup
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/validity/run.py

imports: setup
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/validity/importing/run.py

soak: setup
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/stores.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/training.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/configuration.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/flips.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/hostile.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/kills.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/mutations.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/calibration.py 100
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/comparison.py 100
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak/membership.py 200

reports: setup
	$(BIN)/python reports/gallery/build.py

docs: setup
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs
	@echo "open build/docs/index.html"

reference: setup
	$(BIN)/python docs/reference/build.py

wheelhouse:
	$(PYTHON) -m pip wheel --disable-pip-version-check --wheel-dir wheelhouse -c constraints.txt \
		'.[$(EXTRAS)]' hatchling editables

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find jsddpm jsddpm_eval cli reports tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
