# Every command here installs what it needs into .venv first.
PYTHON ?= $(shell for p in python3.11 python3.12; do $$p -c '' 2>/dev/null && echo $$p && exit; done; echo python3)
BIN := .venv/bin
PHOTOS ?= samples/photos
STYLE ?= starry-night great-wave composition-vii
OUT ?= demo-out

.DEFAULT_GOAL := help
.PHONY: help install demo test unit chaos check audit bench docs pictures

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

install: .venv/.installed ## install everything into .venv

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[api,embedded,workers,dev]'
	touch $@

demo: install ## style the sample catalogue, or PHOTOS=DIR STYLE=S
	$(BIN)/atelier run "$(PHOTOS)" $(foreach s,$(STYLE),--style $(s)) --out "$(OUT)"
	@echo "The same in a browser: $(BIN)/atelier up"

test: install ## run all tests, on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

unit: install ## run the tests that need no service, in seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/unit

chaos: install ## break everything again and again, half an hour or more; `make docs` then tells what it cost
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/chaos -m long --record tests/chaos/results.json

check: install ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: install ## look up known holes in the pinned packages (asks PyPI; fails where that cannot tell)
	$(BIN)/uv tool run pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

bench: install ## measure the worker, its queue and its rivals side by side, half an hour or more
	$(BIN)/python -m tests.bench.generator_share
	$(BIN)/python -m tests.bench.submission
	$(BIN)/python -m tests.bench.pipeline --images 24
	$(BIN)/python -m tests.bench.side_by_side
	$(BIN)/python -m tests.bench.queues --jobs 5000
	$(BIN)/python -m tests.bench.planner
	$(BIN)/python -m tests.bench.generator_speed
	$(BIN)/python -m tests.bench.preview_latency --waiting 1000
	$(BIN)/python -m tests.bench.memory
	$(BIN)/python -m tests.bench.protection

docs: install ## write the tables of settings and error codes in docs/ anew
	$(BIN)/python -m docs.generate

pictures: install ## make the README's pictures and the styles' thumbnails anew
	$(BIN)/python -m docs.pictures
	$(BIN)/python -m docs.mask_picture
	$(BIN)/python -m docs.scene_pictures
