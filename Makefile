# PYTHON: the interpreter that the virtual environment is made from, or that gpu-check runs on.
# PIP_ARGS: more arguments for pip, for example --index-url of PyTorch's CPU wheels.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
LOW_VENV := .venv-lowest
PIP_ARGS ?=
# RECIPE, SEEDS: what study trains, and how often.
RECIPE ?= recipes/cifar100_subset_cpu.flags
SEEDS ?= 1 2 3
# PHOTOS: the folder of Tux Paint's stamps, whose photographs demo-photos classifies.
PHOTOS ?= /usr/share/tuxpaint/stamps
# JOBS: how many processes the tests are spread over; each computes on one core.
JOBS ?= 2
# ARGS: more flags for the demos' runs, for test-chaos (--kills, --seed, --minutes), or for test-lowest (pytest's).
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo demo-data demo-photos study test test-all test-lowest test-chaos lint bench gpu-check clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo "error: $(PYTHON) is older than Python 3.10; pass PYTHON=python3.12 or the like"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "error: no venv module; on Debian: apt-get install python3-venv"; exit 2; }

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	@echo "installing requirements (once) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(RUN) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r requirements-dev.txt
	@touch $@

$(LOW_VENV)/.installed: requirements.txt requirements-export.txt requirements-timm.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
	    || { echo "error: the lowest versions have wheels for Python 3.10 to 3.12; pass PYTHON=python3.11 or the like"; exit 2; }
	@$(PYTHON) -m venv $(LOW_VENV)
	@echo "installing every requirement at its lowest version (once) ..."
	@sed -n 's/>=/==/p' $^ > $(LOW_VENV)/lowest.txt
	@echo "protobuf<6" >> $(LOW_VENV)/lowest.txt  # later ones refuse what the lowest onnx and onnxscript hand them
	@$(LOW_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -r $(LOW_VENV)/lowest.txt
	@touch $@

demo-data: $(VENV)/.installed
	@$(RUN) -m loaders.prepare fashion_mnist --source demo/fashion_mnist \
	    --dataset-name fashion_mnist_demo --output demo/.data
	@$(RUN) split_maker.py --dataset-path demo/.data --dataset-name fashion_mnist_demo \
	    --instances-per-label 4 --random-seed 0 --output-path demo/.data/splits

demo: demo-data  ## train on the Fashion-MNIST images in demo/, a few minutes on two cores
	@$(RUN) run_semco.py @demo/demo.flags $(ARGS)

demo-photos: $(VENV)/.installed  ## classify photographs of ten kinds of things, minutes; apt-get install tuxpaint-stamps-default
	$(RUN) demo/lay_out_photos.py --stamps $(PHOTOS) --output demo/.data/photographs
	$(RUN) -m loaders.prepare imagefolder --source demo/.data/photographs \
	    --dataset-name photos_demo --output demo/.data --test-fraction 0.3
	$(RUN) split_maker.py --dataset-path demo/.data --dataset-name photos_demo \
	    --instances-per-label 3 --random-seed 0 --output-path demo/.data/splits
	$(RUN) run_semco.py @demo/photos.flags $(ARGS)

study: $(VENV)/.installed  ## compare SemCo with its ablations and baselines; RECIPE=recipes/NAME.flags SEEDS="1 2 3"
	@$(RUN) study_semco.py --seeds $(SEEDS) -- @$(RECIPE) $(ARGS)

test: $(VENV)/.installed-dev  ## run all tests but the slow ones
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -q -m "not slow" -n $(JOBS) --dist loadfile

test-all: $(VENV)/.installed-dev  ## run all tests, with trainings of minutes
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n $(JOBS) --dist loadfile

# matplotlib's lowest version calls pyparsing by names that today's pyparsing has renamed.
test-lowest: $(LOW_VENV)/.installed  ## run all tests but the slow ones with every requirement at its lower bound
	@OMP_NUM_THREADS=1 $(LOW_VENV)/bin/python -m pytest -q -m "not slow" -n $(JOBS) --dist loadfile -p no:cacheprovider \
	    -W ignore::pyparsing.warnings.PyparsingDeprecationWarning $(ARGS)

test-chaos: demo-data $(VENV)/.installed-dev  ## kill trainings and the smaller programs 50 times each; the same bits must come out
	@$(RUN) -m tests.programs.faults.chaos $(ARGS)
	@$(RUN) -m tests.programs.faults.chaos_tools $(ARGS)

lint: $(VENV)/.installed-dev  ## check style and formatting
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

bench: $(VENV)/.installed  ## measure this machine, write benchmarks/results/
	@$(RUN) -m benchmarks.bench
	@$(RUN) -m benchmarks.label_matching

gpu-check:  ## on a machine with CUDA: GPU tests, five networks four ways, defaults to set; no network
	@$(PYTHON) -m benchmarks.gpu_check

clean:  ## remove the virtual environment, caches and the demo's prepared data
	@rm -rf $(VENV) $(LOW_VENV) .pytest_cache .ruff_cache .hypothesis demo/.data
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
