# The CPU kernels and the pybind11 module in builds that check themselves: `make sanitize`. Address finds
# accesses beyond arrays and memory that was freed, and arithmetic that C++ leaves undefined; thread finds races.
# Each instruction set that this machine runs has its turn, unless GRADOPS_DEV=1 builds one alone.
SANITIZED := address thread
SANITIZE_address := address,signed-integer-overflow,integer-divide-by-zero,shift,bounds
SANITIZE_thread := thread
LIBRARY_address := libasan.so
LIBRARY_thread := libtsan.so
# NumPy and Python keep memory to the end. Undefined behaviour ends the process, like the rest.
sanitize-%: export ASAN_OPTIONS := detect_leaks=0
sanitize-%: export UBSAN_OPTIONS := halt_on_error=1:print_stacktrace=1
sanitize-%: export TSAN_OPTIONS := halt_on_error=1
# The tests of the kernels, but those of the public functions too, as TensorFlow is not loaded; for races,
# those of threads and of their memory. Of each test's cases one in so many: kernels that check themselves
# are 3 to 15 times slower.
TESTS_address := $(filter-out tests/test_family_ranges.py, \
	$(wildcard tests/test_family_*.py tests/test_kernels_*.py))
TESTS_thread := $(patsubst %,tests/test_family_%.py,threads lines scratch)
EVERY_address := 8
EVERY_thread := 16

.PHONY: sanitize $(SANITIZED:%=sanitize-%)
sanitize: $(SANITIZED:%=sanitize-%)
$(SANITIZED:%=sanitize-%): sanitize-%: $(VENV)/.requirements-build $(VENV)/.requirements-test
	$(call copy_package,build/sanitize-$*)
	cmake -S . -B build/sanitize-$* -G Ninja -DCMAKE_BUILD_TYPE=None \
		-DPython_EXECUTABLE=$(abspath $(PY)) -DGRADOPS_TF=OFF -DGRADOPS_CUDA=OFF \
		-DGRADOPS_DEV=$(or $(GRADOPS_DEV),OFF) -DGRADOPS_SANITIZE=$(SANITIZE_$*) \
		-DGRADOPS_OUTPUT_DIR=$(abspath build/sanitize-$*/site/gradops) > /dev/null
	cmake --build build/sanitize-$*
	$(PY) build_support/sanitized_tests.py build/sanitize-$*/site $(LIBRARY_$*) \
		-m "not extended" --every $(EVERY_$*) $(PYTEST_ARGS) \
		$(addprefix $(CURDIR)/,$(TESTS_$*))
