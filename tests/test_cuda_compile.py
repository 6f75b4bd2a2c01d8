"""The CUDA sources compile, where there is a compiler, without warnings."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NVCC = shutil.which("nvcc")
SOURCES = sorted((ROOT / "csrc" / "cuda").glob("*.cu"))
WARNINGS = ["-Werror", "all-warnings", "-Xcompiler", "-Wall,-Wextra"]
FLAGS = ["-std=c++17", "-O3", "-fmad=false", "-Xptxas", "-v", *WARNINGS]


@pytest.mark.extended  # a minute for each
@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.name)
def test_sources_compile(source, architecture, tmp_path):
    command = [NVCC, *FLAGS, f"-arch={architecture}", f"-I{ROOT / 'csrc'}", "-c", str(source)]
    process = subprocess.run(
        [*command, "-o", str(tmp_path / "kernels.o")], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert "SweepKernel" in process.stderr  # ptxas reports on every kernel
