# Checks of a build with CUDA on a machine with a GPU (docs/wheels.md): with PYTHON and its modules,
# without .venv, and nothing is downloaded. Steps have a limit in seconds, and logs in GPU*/logs.
GPU := build/gpu-check
GPU_TF := $(GPU)-tensorflow
gpu-%: export PYTEST_DISABLE_PLUGIN_AUTOLOAD := 1
DEVICE := GPU:0
# Found once, when it is needed: steps run in another folder.
GPU_PYTHON = $(eval GPU_PYTHON := $(or $(shell $(PYTHON) -c 'import sys; print(sys.executable)'), \
	$(error $(PYTHON) is no Python: set PYTHON)))$(GPU_PYTHON)
STEP := @bash build_support/gpu_step.sh
# Without the folders of pyproject.toml, which come before those of PYTHONPATH: there the checkout is.
GPU_PYTEST = $(GPU_PYTHON) -m pytest -q -p no:cacheprovider -o pythonpath=
TABLES = $(if $(CSV),--csv $(abspath $(CSV))) $(if $(CHART),--chart $(abspath $(CHART)))

# Definitions of csrc/cuda/programs/tuning.h: what was before, and one change at a time from there.
VARIANT_before := GRADOPS_CUDA_FETCH=0;GRADOPS_CUDA_MOST_THREADS=256;GRADOPS_CUDA_WAVES=0
VARIANT_words := GRADOPS_CUDA_FETCH=1;GRADOPS_CUDA_MOST_THREADS=256;GRADOPS_CUDA_WAVES=0
VARIANT_narrow := GRADOPS_CUDA_FETCH=1;GRADOPS_CUDA_MOST_THREADS=128;GRADOPS_CUDA_WAVES=0
VARIANT_waves := GRADOPS_CUDA_FETCH=1;GRADOPS_CUDA_MOST_THREADS=128;GRADOPS_CUDA_WAVES=1
VARIANT_ring-wide := GRADOPS_CUDA_FETCH=2;GRADOPS_CUDA_MOST_THREADS=256;GRADOPS_CUDA_WAVES=1
VARIANT_ring-64 := GRADOPS_CUDA_FETCH=2;GRADOPS_CUDA_MOST_THREADS=64;GRADOPS_CUDA_WAVES=1
ALL_VARIANTS := before words narrow waves ring-wide ring-64
comma := ,
CHOSEN := $(if $(filter all,$(VARIANTS)),$(ALL_VARIANTS),$(subst $(comma), ,$(VARIANTS)))

SANITIZERS := memcheck racecheck initcheck synccheck
FLAGS_memcheck := --report-api-errors no
COUNTED := 64x512x512x3-float32 8x2048x2048x4-float32 64x512x512x1-float32 64x512x512x3-bfloat16
COUNTERS := Throughput|Duration|Registers|Achieved Occ|Stall|Issued|No Eligible

# The test files with a marker. Each has a process, as a fault of the device fails all that follows.
marked = $(shell grep -lw 'mark\.$1' tests/test_cuda_*.py)
GPU_TESTS = $(patsubst tests/test_%.py,%,$(call marked,gpu))

# The tests of the public functions with their tensors on a device; of each test's cases one in so
# many, as XLA takes a second or more for each program there.
TF_TESTS := ops losses xla
TF_ops := ops ops_modes ops_dtypes ops_weights ops_weights_gradient ops_forward_mode images memo \
	second_order
TF_losses := losses keras leading_axes
TF_xla := xla compatibility
EVERY_ops := 2
EVERY_losses := 2
EVERY_xla := 3

NEEDS_build := nvcc cmake numpy pybind11
NEEDS_tests := build numpy pytest cupy gpu
NEEDS_sanitize := compute-sanitizer $(NEEDS_tests)
NEEDS_counters := ncu build numpy cupy gpu
NEEDS_bench := build numpy cupy gpu
NEEDS_tf-build := $(NEEDS_build) tensorflow
NEEDS_tf-modes := build op-library tensorflow $(DEVICE)
NEEDS_tf-tests := pytest $(NEEDS_tf-modes)
$(patsubst NEEDS_%,gpu-needs-%,$(filter NEEDS_%,$(.VARIABLES))): gpu-needs-%:
	@$(GPU_PYTHON) build_support/gpu_needs.py $(if $(filter tf-%,$*),$(GPU_TF),$(GPU)) $(NEEDS_$*)

.PHONY: gpu-site gpu-check gpu-build gpu-build-kernels gpu-tests gpu-sanitize gpu-counters \
	gpu-bench gpu-variants gpu-check-tensorflow gpu-tf-build gpu-tf-tests gpu-tf-modes

# Goes on after a stage that fails. At the end, how each step ended.
define gpu_stages
	@rm -rf $1/logs && mkdir -p $1/logs
	@$(MAKE) --no-print-directory -k -j1 $2; status=$$?; cd $1/logs && \
		echo "$@: how each step ended" && ls -tr | xargs -r tail -qn 3; exit $$status
endef
gpu-check:
	$(call gpu_stages,$(GPU),gpu-build gpu-tests gpu-bench)
gpu-check-tensorflow:
	$(call gpu_stages,$(GPU_TF),gpu-tf-build gpu-tf-tests gpu-tf-modes)

# $(call gpu_compile,FOLDER,CMAKE OPTIONS,BUILD OPTIONS,BUILD FOLDER): into a copy of the package's
# Python files. Variants share a build folder, as they differ in CUDA sources alone: one at a time.
define gpu_compile
	$(call copy_package,$1)
	$(if $(OP_LIBRARY),@cp $(OP_LIBRARY) $1/site/gradops)
	$(STEP) $1 configure 580 cmake -S $(CURDIR) -B $(abspath $(or $4,$1)) \
		$(if $(shell command -v ninja),-G Ninja) -DPython_EXECUTABLE=$(GPU_PYTHON) \
		-DGRADOPS_OUTPUT_DIR=$(abspath $1)/site/gradops -DGRADOPS_CUDA=ON \
		-DGRADOPS_CUDA_ARCHS='$(or $(ARCHS),native)' $2
	$(STEP) $1 compile 3600 cmake --build $(abspath $(or $4,$1)) --parallel $(shell nproc) $3
	$(STEP) $1 import 100 $(GPU_PYTHON) -c "import gradops; print(gradops.build_info())"
endef
gpu-build:
	@$(MAKE) --no-print-directory -j1 $(CHOSEN:%=gpu-build-%) gpu-build-kernels
gpu-build-kernels: gpu-needs-build
	$(call gpu_compile,$(GPU),-DGRADOPS_TF=OFF -DGRADOPS_CUDA_DEFINES=)
$(ALL_VARIANTS:%=gpu-build-%): gpu-build-%: gpu-needs-build
	$(call gpu_compile,$(GPU)-$*,-DGRADOPS_TF=OFF -DGRADOPS_CUDA_DEFINES='$(VARIANT_$*)',,$(GPU))

# FULL=1: the long tests too.
gpu-tests: $(GPU_TESTS:%=gpu-tests-%)
gpu-tests-%: gpu-needs-tests
	$(STEP) $(GPU) tests-$* 580 env GRADOPS_TEST_CUDA=device $(GPU_PYTEST) \
		-m 'gpu$(if $(FULL),, and not extended)' $(CURDIR)/tests/test_$*.py

# Arrays of their own memory: in that of a pool there is no telling what lies beyond one. LIMIT: seconds.
gpu-sanitize: $(SANITIZERS:%=gpu-sanitize-%)
gpu-sanitize-%: gpu-needs-sanitize
	$(STEP) $(GPU) $* $(or $(LIMIT),100) env GRADOPS_TEST_CUDA=device GRADOPS_TEST_CUDA_POOL=off \
		compute-sanitizer --tool $* --error-exitcode 9 $(FLAGS_$*) \
		$(GPU_PYTEST) -m sanitize $(addprefix $(CURDIR)/,$(call marked,sanitize))

# Prints the lines that say what limits a sweep, of all that ncu counts.
gpu-counters: $(COUNTED:%=gpu-counters-%)
gpu-counters-%: gpu-needs-counters
	$(STEP) $(GPU) counters-$* 100 ncu --set full --clock-control none -k regex:SweepKernel \
		-s 1 -c 1 $(GPU_PYTHON) -m benchmarks.one $(subst -, ,$*)
	@grep -E '$(COUNTERS)' $(GPU)/logs/counters-$*.log

gpu-bench: gpu-needs-bench
	$(STEP) $(GPU) bench 580 $(GPU_PYTHON) -m benchmarks --device cuda $(TABLES) $(BENCH_ARGS)
# The same few bandwidths by each variant that is built.
gpu-variants: $(addprefix gpu-variants-,$(or $(CHOSEN),$(ALL_VARIANTS)))
gpu-variants-%:
	@$(GPU_PYTHON) build_support/gpu_needs.py $(GPU)-$* $(NEEDS_bench)
	$(STEP) $(GPU)-$* bench 100 $(GPU_PYTHON) -m benchmarks --device cuda --only bandwidth \
		--dtypes float32,bfloat16 --seconds 45 --csv logs/bandwidth.csv

# What TensorFlow needs to share a GPU, to compile for one that is newer than it, and XLA to find
# libdevice and ptxas.
gpu-tf-%: export TF_FORCE_GPU_ALLOW_GROWTH ?= true
gpu-tf-%: export CUDA_MODULE_LOADING ?= LAZY
gpu-tf-%: export CUDA_CACHE_MAXSIZE ?= 4294967296
gpu-tf-%: export GRADOPS_BACKEND ?= fused
gpu-tf-%: export XLA_FLAGS ?= $(patsubst %/bin/nvcc,--xla_gpu_cuda_data_dir=%,$(realpath \
	$(shell command -v nvcc)))
# OP_LIBRARY: one that was built elsewhere for the same TensorFlow, which came without its headers.
gpu-tf-build: gpu-needs-tf-build
	$(call gpu_compile,$(GPU_TF),-DGRADOPS_TF=ON,$(if $(OP_LIBRARY),--target _kernels))
gpu-tf-tests: $(TF_TESTS:%=gpu-tf-tests-%)
gpu-tf-tests-%: gpu-needs-tf-tests
	$(STEP) $(GPU_TF) tests-$* 580 $(GPU_PYTEST) --device $(DEVICE) \
		-m 'not extended$(if $(LIBRARIES),, and not cudnn)' \
		--every $$(($(EVERY_$*) * $(or $(SPARING),1))) $(TF_$*:%=$(CURDIR)/tests/test_%.py)
gpu-tf-modes: gpu-needs-tf-modes
	$(STEP) $(GPU_TF) modes 580 $(GPU_PYTHON) -m benchmarks --device $(DEVICE) --only modes \
		$(if $(SHAPES),--shapes $(SHAPES)) $(TABLES)

# What a machine with a GPU needs that has neither network nor compiler, for the Python there:
#   make gpu-site PYTHON=python3.12 ARCHS=90-real VARIANTS=all
GPU_VENV := build/gpu-venv
gpu-site:
	$(PYTHON) -m venv $(GPU_VENV)
	$(GPU_VENV)/bin/python -m pip install --quiet numpy pybind11 cmake ninja
	PATH="$(abspath $(GPU_VENV))/bin:$$PATH" $(MAKE) gpu-build PYTHON=$(GPU_VENV)/bin/python
	cd build && tar -cJf gpu-site.tar.xz gpu-check*/site
