# What is run before a release, because it takes too long for every change; besides `make test-extended`.

# The CPU kernels and the pybind11 module in builds that check themselves: `make sanitize`. Address finds
# accesses beyond arrays and memory that was freed; undefined finds what C++ leaves undefined, such as
# pointers that are not aligned, overflows of integers and shifts; thread finds races. Each instruction set that this
# machine runs has its turn, unless GRADOPS_DEV=1 builds one alone.
SANITIZED := address undefined thread
# What is undefined ends the process by an illegal instruction, so it needs no library.
LIBRARY_address := libasan.so
LIBRARY_undefined := none
LIBRARY_thread := libtsan.so
# NumPy and Python keep memory to the end.
sanitize-%: export ASAN_OPTIONS := detect_leaks=0
sanitize-%: export TSAN_OPTIONS := halt_on_error=1
# The tests of the kernels that do without TensorFlow; for races, those of threads and of their memory. Of
# each test's cases one in so many: kernels that check themselves are 3 to 15 times slower.
KERNEL_TESTS := $(shell grep -L 'import tensorflow' tests/test_family_*.py tests/test_kernels_*.py)
TESTS_address := $(KERNEL_TESTS)
TESTS_undefined := $(KERNEL_TESTS)
TESTS_thread := $(patsubst %,tests/test_family_%.py,threads lines scratch)
EVERY_address := 8
EVERY_undefined := 4
EVERY_thread := 16

.PHONY: sanitize $(SANITIZED:%=sanitize-%)
sanitize: $(SANITIZED:%=sanitize-%)
$(SANITIZED:%=sanitize-%): sanitize-%: $(VENV)/.requirements-build $(VENV)/.requirements-test
	$(call copy_package,build/sanitize-$*)
	cmake -S . -B build/sanitize-$* -G Ninja -DCMAKE_BUILD_TYPE=None \
		-DPython_EXECUTABLE=$(abspath $(PY)) -DGRADOPS_TF=OFF -DGRADOPS_CUDA=OFF \
		-DGRADOPS_DEV=$(or $(GRADOPS_DEV),OFF) -DGRADOPS_SANITIZE=$* \
		-DGRADOPS_OUTPUT_DIR=$(abspath build/sanitize-$*/site/gradops) > /dev/null
	cmake --build build/sanitize-$*
	$(PY) build_support/sanitized_tests.py build/sanitize-$*/site $(LIBRARY_$*) \
		-m "not extended" --every $(EVERY_$*) $(PYTEST_ARGS) \
		$(addprefix $(CURDIR)/,$(TESTS_$*))

# The same tests on AArch64, emulated: build_support/test_aarch64.sh says what that needs. Emulated programs
# cannot start others, as those of the pages do.
.PHONY: test-aarch64
test-aarch64: $(VENV)/.requirements-build
	$(call copy_package,build/aarch64)
	build_support/test_aarch64.sh $(PY) --every 16 $(PYTEST_ARGS) \
		$(addprefix $(CURDIR)/,$(filter-out %_pages.py,$(KERNEL_TESTS)))
