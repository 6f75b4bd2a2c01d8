"""How rows are divided among blocks, in builds for each number of threads that may be chosen."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[1] / "csrc"
COMPILER = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), None)
PROGRAM = """
#include <cstdio>
#include "cuda/programs/strip_layout.h"

int main() {
  for (int vec : {2, 4}) {
    for (int channels = 1; channels < 200; ++channels) {
      for (int width : {1, 5, 64, 1000}) {
        gradops::KernelParams params = {};
        params.shape = {2, 1, 40, width, channels};
        const auto layout = gradops::cuda::MakeStripLayout(params, vec, 132);
        const bool is_right = layout.threads > 0 && layout.threads <= gradops::cuda::kMaxThreads &&
                              layout.size == layout.threads * vec && layout.tiles > 0 &&
                              layout.rows > 0 && layout.strips > 0 && layout.strips <= 40;
        if (!is_right) std::printf("%d: %d x %d\\n", vec, width, channels);
      }
    }
  }
}
"""


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
@pytest.mark.parametrize("threads", [64, 128, 256])
def test_rows_of_all_numbers_of_channels_are_divided(tmp_path, threads):
    (tmp_path / "layout.cc").write_text(PROGRAM)
    command = [COMPILER, "-std=c++17", f"-DGRADOPS_CUDA_MOST_THREADS={threads}", f"-I{CSRC}"]
    command += [tmp_path / "layout.cc", "-o", tmp_path / "layout"]
    subprocess.run(command, check=True)
    assert subprocess.check_output([tmp_path / "layout"], text=True) == ""
