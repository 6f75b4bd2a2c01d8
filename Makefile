# Everything happens in .venv, which each target fills with what it needs. See README.md.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
# The environment's tools (cmake, ninja, ruff, ...) come before the system's.
export PATH := $(abspath $(VENV))/bin:$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 2

BACKEND := build_support/gradops_build_backend.py
SOURCES := $(shell find csrc cmake -type f) CMakeLists.txt VERSION setup.py pyproject.toml
CXX_FILES := $(shell find csrc -name '*.h' -o -name '*.cc')
PYTHON_DIRS := gradops tests benchmarks examples build_support cmake setup.py

.PHONY: FORCE help demo test test-extended bench bench-peers lint format wheel clean distclean
.DELETE_ON_ERROR:

help:
	@echo "make demo           optimise a photograph with the fused loss and with pure TensorFlow"
	@echo "make test           the test suite           make test-extended  the long sweep too"
	@echo "make bench          timings                  make bench-peers    with PyTorch, JAX, ..."
	@echo "make lint, format   style"
	@echo "make wheel          a wheel in dist/         make clean, distclean"

# What a build depends on besides files; rewritten only when it changes.
CHOICES := TF=$(GRADOPS_TF) TF_VERSION=$(GRADOPS_TF_VERSION) CMAKE_ARGS=$(GRADOPS_CMAKE_ARGS) CXX=$(CXX)
$(VENV)/.choices: $(VENV)/.created FORCE
	@echo '$(CHOICES)' | cmp -s - $@ || echo '$(CHOICES)' > $@
FORCE:

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	touch $@

# .requirements-NAME: an extra of the package, or "build".
$(VENV)/.requirements-%: $(BACKEND) $(VENV)/.choices
	$(PY) $(BACKEND) $* > $@.txt
	$(PY) -m pip install --quiet -r $@.txt
	touch $@

# An editable install without isolation, so that rebuilding compiles only what changed.
$(VENV)/.built: $(SOURCES) $(VENV)/.requirements-build $(VENV)/.requirements-cpu
	$(PY) -m pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

demo: $(VENV)/.built $(VENV)/.requirements-demo
	$(PY) -m gradops demo

# Then the tests of the public functions on the composition, of each the sixth of its cases.
test: $(VENV)/.built $(VENV)/.requirements-test $(VENV)/.requirements-demo $(VENV)/.requirements-bench
	$(PY) -m pytest -m "not extended" $(PYTEST_ARGS)
	GRADOPS_BACKEND=composite $(PY) -m pytest -m "not extended" --every 6 -q $(PYTEST_ARGS)

test-extended: $(VENV)/.built $(VENV)/.requirements-test $(VENV)/.requirements-demo $(VENV)/.requirements-bench
	$(PY) -m pytest $(PYTEST_ARGS)
	GRADOPS_BACKEND=composite $(PY) -m pytest $(PYTEST_ARGS)

# PEERS=1 installs the other libraries that are compared with; once there, they always are.
bench: $(VENV)/.built $(VENV)/.requirements-bench $(if $(PEERS),$(VENV)/.requirements-peers)
	$(PY) -m benchmarks $(BENCH_ARGS)

bench-peers: $(VENV)/.built $(VENV)/.requirements-bench $(VENV)/.requirements-peers
	$(PY) -m benchmarks $(BENCH_ARGS)

lint: $(VENV)/.requirements-lint
	ruff check $(PYTHON_DIRS)
	ruff format --check $(PYTHON_DIRS)
	mypy
	@clang-format --dry-run --Werror $(CXX_FILES)

format: $(VENV)/.requirements-lint
	ruff check --fix $(PYTHON_DIRS)
	ruff format $(PYTHON_DIRS)
	@clang-format -i $(CXX_FILES)

wheel: $(VENV)/.requirements-build
	$(PY) -m pip wheel --no-build-isolation --no-deps --wheel-dir dist .

clean:
	rm -rf build dist *.egg-info gradops/*.so $(VENV)/.built .pytest_cache .ruff_cache .hypothesis
	find gradops tests benchmarks build_support -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
