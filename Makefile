# Everything happens in .venv, which each target fills with what it needs. See README.md.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
# The environment's tools (cmake, ninja, ruff, ...) come before the system's.
export PATH := $(abspath $(VENV))/bin:$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 2

BACKEND := build_support/gradops_build_backend.py
SOURCES := $(shell find csrc cmake -type f) CMakeLists.txt VERSION setup.py pyproject.toml
CXX_FILES := $(shell find csrc -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh')
PYTHON_DIRS := gradops tests benchmarks examples build_support cmake setup.py

.PHONY: FORCE help build demo test test-extended test-oldest mutants cuda-check bench bench-peers docs lint \
	format wheel wheel-test matrix clean distclean gallery
.DELETE_ON_ERROR:

help:
	@echo "make demo           train a network that restores depth maps, with the fused loss and without"
	@echo "make build          compile; GRADOPS_DEV=1: for this machine's instruction set alone"
	@echo "make test           the test suite           make test-extended  the long sweep too"
	@echo "make test-oldest    the public functions under the oldest TensorFlow"
	@echo "make mutants        what the tests catch: hours"
	@echo "make sanitize       the kernel tests under the compiler's sanitizers: sanitize-address and so on"
	@echo "make test-aarch64   the kernel tests on an emulated AArch64"
	@echo "make cuda-check     compile the CUDA kernels and look at them, without a GPU"
	@echo "make bench          timings                  make bench-peers    with PyTorch, JAX, ..."
	@echo "make docs           the site, in build/site         make gallery    its pictures, again"
	@echo "make lint, format   style"
	@echo "make wheel          a wheel in dist/         make wheel CUDA=1 [ARCHS='80;90']"
	@echo "make wheel-test     try it elsewhere         make matrix    under all Pythons and TensorFlows"
	@echo "make gpu-check      build, check and time the CUDA kernels, without TensorFlow: gpu-build,"
	@echo "                    gpu-tests, gpu-bench; besides gpu-sanitize, gpu-counters, gpu-variants"
	@echo "make gpu-site       only build them, for a machine with another Python: PYTHON, ARCHS, VARIANTS"
	@echo "make gpu-check-tensorflow   the ops under TensorFlow's GPU build: gpu-tf-build, gpu-tf-tests,"
	@echo "                    gpu-tf-modes (times and memory)"
	@echo "make clean, distclean"

# What a build depends on besides files; rewritten only when it changes.
CHOICES := TF=$(GRADOPS_TF) TF_VERSION=$(GRADOPS_TF_VERSION) CMAKE_ARGS=$(GRADOPS_CMAKE_ARGS) CXX=$(CXX) \
	CUDA=$(GRADOPS_CUDA) ARCHS=$(GRADOPS_CUDA_ARCHS) DEV=$(GRADOPS_DEV) \
	NVCC=$(or $(CUDACXX),$(shell command -v nvcc))
$(VENV)/.choices: $(VENV)/.created FORCE
	@echo '$(CHOICES)' | cmp -s - $@ || echo '$(CHOICES)' > $@
FORCE:

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	touch $@

# .requirements-NAME: an extra of the package, "build" or "tf-keras".
$(VENV)/.requirements-tf-keras: PIP_FLAGS := --no-deps
$(VENV)/.requirements-%: $(BACKEND) $(VENV)/.choices
	$(PY) $(BACKEND) $* > $@.txt
	$(PY) -m pip install --quiet $(PIP_FLAGS) -r $@.txt
	touch $@

# An editable install without isolation, so that rebuilding compiles only what changed.
$(VENV)/.built: $(SOURCES) $(VENV)/.requirements-build $(VENV)/.requirements-cpu
	$(PY) -m pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

# For tests alone: the CUDA kernels' programs on the host.
EMULATION := build/emulation
$(VENV)/.emulation: $(shell find csrc/bindings/python csrc/cuda csrc/family csrc/math csrc/op -type f) \
		CMakeLists.txt $(VENV)/.requirements-build
	cmake -S . -B $(EMULATION) -G Ninja -DPython_EXECUTABLE=$(abspath $(PY)) \
		-DGRADOPS_TF=OFF -DGRADOPS_CUDA=OFF -DGRADOPS_DEV=ON > /dev/null
	cmake --build $(EMULATION) --target cuda_emulation
	touch $@

build: $(VENV)/.built

demo: $(VENV)/.built $(VENV)/.requirements-demo
	$(PY) -m gradops demo

TEST_NEEDS := $(VENV)/.built $(VENV)/.emulation \
	$(VENV)/.requirements-test $(VENV)/.requirements-tf-keras \
	$(VENV)/.requirements-demo $(VENV)/.requirements-bench
# Two processes; each limits the threads of its TensorFlow (tests/conftest.py).
PYTEST := $(PY) -m pytest -n 2 --dist worksteal

test: $(TEST_NEEDS)
	$(PYTEST) -m "not extended" $(PYTEST_ARGS)

# PEERS=1 installs the other libraries too, whose conventions docs/conventions.md maps: about 1 GiB.
test-extended: $(TEST_NEEDS) $(if $(PEERS),$(VENV)/.requirements-peers)
	$(PYTEST) $(PYTEST_ARGS)

# The public functions under the oldest TensorFlow, by an adapter that is compiled for it.
OLDEST := build/venv-oldest
test-oldest: $(VENV)/.built
	$(MAKE) --no-print-directory VENV=$(OLDEST) $(OLDEST)/.requirements-oldest
	PYTHONPATH=. GRADOPS_CACHE=build/adapters $(OLDEST)/bin/python -m gradops build
	PYTHONPATH=. GRADOPS_CACHE=build/adapters $(OLDEST)/bin/python -m pytest -n 2 \
		-m "not extended" --every 3 $(PYTEST_ARGS) tests/test_ops*.py tests/test_losses.py \
		tests/test_keras.py tests/test_memo.py tests/test_scales.py tests/test_scales_calls.py tests/test_saved.py

# Small faults, one at a time, each of which must fail the suite: tests/mutants/.
mutants: $(TEST_NEEDS)
	$(PY) tests/mutants/run.py $(MUTANT_ARGS)

# Without a GPU: compiles for one architecture and looks at what ptxas made of the kernels, whose
# programs `make test` runs on the host. What needs an nvcc is skipped where there is none.
cuda-check: $(TEST_NEEDS)
	$(PYTEST) tests/test_cuda_build.py tests/test_cuda_compile.py $(PYTEST_ARGS)

# PEERS=1 installs the other libraries that are compared with; once there, they always are.
bench: $(VENV)/.built $(VENV)/.requirements-bench $(if $(PEERS),$(VENV)/.requirements-peers)
	$(PY) -m benchmarks $(BENCH_ARGS)

bench-peers: $(VENV)/.built $(VENV)/.requirements-bench $(VENV)/.requirements-peers
	$(PY) -m benchmarks $(BENCH_ARGS)

# The pictures of the documentation, which are kept.
gallery: $(VENV)/.built $(VENV)/.requirements-demo
	$(PY) -m build_support.gallery

# Into build/site, from the sources alone: nothing is imported or compiled.
docs: $(VENV)/.requirements-docs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

lint: $(VENV)/.requirements-lint
	ruff check $(PYTHON_DIRS)
	ruff format --check $(PYTHON_DIRS)
	mypy
	@clang-format --dry-run --Werror $(CXX_FILES)

format: $(VENV)/.requirements-lint
	ruff check --fix $(PYTHON_DIRS)
	ruff format $(PYTHON_DIRS)
	@clang-format -i $(CXX_FILES)

# With adapters for all versions of TensorFlow or those of GRADOPS_TF_VERSION. CUDA=1: with CUDA
# kernels, for all architectures or for those of ARCHS.
wheel: $(VENV)/.requirements-build $(VENV)/.requirements-wheel
	rm -rf build/wheel
	GRADOPS_CUDA=$(if $(CUDA),ON,OFF) GRADOPS_CUDA_ARCHS='$(ARCHS)' \
		GRADOPS_TF_VERSION='$(or $(GRADOPS_TF_VERSION),all)' \
		$(PY) -m pip wheel --no-build-isolation --no-deps --wheel-dir build/wheel .
	$(PY) build_support/repair_wheel.py build/wheel/*.whl dist

# The newest wheel of dist/ in a new environment; TENSORFLOW="tensorflow==2.21.*": under another.
wheel-test: $(VENV)/.created
	$(PY) build_support/wheel_matrix.py dist $(if $(TENSORFLOW),--tensorflow "$(TENSORFLOW)")

# Wheels of all Pythons under all TensorFlows, which takes an hour or more; python3.10 and so on are on PATH.
MATRIX_PYTHONS ?= 3.10 3.11 3.12 3.13
matrix:
	for version in $(MATRIX_PYTHONS); do \
		$(MAKE) wheel GRADOPS_TF_VERSION=all PYTHON=python$$version VENV=build/venv-$$version || exit 1; done
	$(PY) build_support/wheel_matrix.py dist --python all --tensorflow all --write

# $(call copy_package,FOLDER): the package's Python files without its libraries, in FOLDER/site.
define copy_package
	@rm -rf $1/site && mkdir -p $1/site && cp -r gradops $1/site
	@find $1/site \( -name '*.so' -o -name '*.pyc' \) -delete
endef
include build_support/gpu.mk
include build_support/release.mk

clean:
	rm -rf build dist *.egg-info gradops/*.so $(VENV)/.built $(VENV)/.emulation .pytest_cache .ruff_cache .hypothesis
	find gradops tests benchmarks build_support -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
