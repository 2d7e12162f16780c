# `make` lists what one can do. PYTHON=python3.12 make ... chooses the Python that .venv is made with.
.DEFAULT_GOAL := help
VENV := .venv
RUN := $(VENV)/bin/python
BACKENDS ?= .venv-backends
SWEEP ?= shapes
WORKERS ?= 2
# One thread a worker: many small graphs, and no worker waits for another.
ONE_THREAD := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.installed ## make .venv with every version pinned

$(VENV)/.installed: setup.cfg constraints.txt pyproject.toml
	@sh scripts/make_venv.sh $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

.PHONY: sweep
sweep: install ## train, prune, fine-tune, measure each task: results/shapes (SWEEP=recipe FLAGS="--workers 2 --dry-run")
	@$(RUN) scripts/sweep.py $(SWEEP) $(FLAGS)

.PHONY: digits
digits: install ## three tasks of a small classifier, two criteria, three seeds: results/digits (under 3 minutes)
	@$(RUN) scripts/sweep.py digits $(FLAGS)

.PHONY: facades
facades: install ## real photographs, ten classes (wants TASKPRUNE_DATA=folder that holds facades/): results/facades
	@$(RUN) scripts/sweep.py facades $(FLAGS)

.PHONY: backbones
backbones: install ## ResNets and MobileNets, dense and pruned to equal MACs: results/backbones (an hour of one core)
	@$(RUN) scripts/sweep.py backbones $(FLAGS)

.PHONY: balloon
balloon: install ## the same on the Balloon photos (wants TASKPRUNE_DATA=folder that holds balloon/)
	@$(RUN) scripts/sweep.py balloon $(FLAGS)

.PHONY: retrain
retrain: install ## a few dozen photos, three sets, two backbones (wants TASKPRUNE_DATA, TASKPRUNE_WEIGHTS): results/retrain_*
	@sh scripts/retrain.sh $(RUN) $(FLAGS)

.PHONY: export
export: install ## files for other runtimes beside Keras, dense and pruned (wants TASKPRUNE_DATA, TASKPRUNE_WEIGHTS): results/export
	@$(RUN) scripts/sweep.py export $(FLAGS)
	@$(VENV)/bin/taskprune export 'dense=results/export/runs/dense-s0-*' 'pruned=results/export/runs/taylor-*' \
		--recipe export --format tf_saved_model litert onnx openvino --precision float32 float16 int8 \
		--table results/export --evaluation.limit 20

.PHONY: speed
speed: install ## what removing parts of the MACs gains, by width and criterion, and curves over sizes and threads: results/speed
	@$(RUN) scripts/speed.py --round-to 8 16
	@$(RUN) scripts/speed.py --network facades --criteria group_l1 l1 --round-to 1 8 16
	@$(RUN) -m experiments.problems.detector_speed.speed_curves --network facades

.PHONY: test
test: lint ## lint, and the fast tests
	@$(ONE_THREAD) $(RUN) -m pytest -q -m "not slow" -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: test-slow
test-slow: install ## the tests that `make test` leaves out
	@$(RUN) -m pytest -q -m slow

.PHONY: test-backends
test-backends: $(BACKENDS)/.installed ## pruning on JAX and on PyTorch, in an environment of its own (BACKENDS=folder)
	@for backend in jax torch; do \
		echo "KERAS_BACKEND=$$backend"; \
		KERAS_BACKEND=$$backend $(ONE_THREAD) $(BACKENDS)/bin/python -m pytest -q tests/backends tests/schedules || exit 1; \
	done

$(BACKENDS)/.installed: setup.cfg constraints.txt pyproject.toml
	@sh scripts/make_venv.sh $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[backends]"
	@touch $@

.PHONY: lint
lint: install ## ruff and mypy
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy schedules pruning maskrcnn experiments scripts

.PHONY: benchmark
benchmark: install ## speed beside torchvision's and pycocotools': results/benchmark (installs the extra `bench`)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,bench]"
	@$(RUN) scripts/benchmark.py
	@$(RUN) -m experiments.problems.detector_speed.evaluation_speed

.PHONY: bench-zoo
bench-zoo: ## models of keras-hub, kimm, medicai and kecam as they come: results/zoo (in .venv-zoo, with the extra `zoo`)
	@sh scripts/make_venv.sh .venv-zoo
	.venv-zoo/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[zoo]"
	@.venv-zoo/bin/python -m experiments.zoo.bench_zoo
