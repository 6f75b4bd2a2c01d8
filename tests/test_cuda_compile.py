"""What nvcc makes of the sweeps that most people run, float32, sobel, component; and of image ops.

No registers that spill, no stack (but for a little on Blackwell), and 16-byte accesses to global
memory, on every architecture.
(That all sources compile without warnings shows whenever gradops is built where there is an nvcc.)
"""

import importlib.metadata
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NVCC = shutil.which("nvcc")
FLAGS = ["-std=c++17", "-O3", "-fmad=false", "-Xptxas", "-v", "-Werror", "all-warnings"]
FLAGS += ["-Xcompiler", "-Wall,-Wextra", "--threads", "2"]
ORDERS = ["kValue", "kSlope"]
SOURCE = """
#include "cuda/device/kernels.cuh"
namespace gradops::cuda {
template <Order kOrder, int kShift, math::TapsKind kTaps>
void Launch(const StripArgs<float>& args) {
  using Thread =
      StripThread<float, math::ComponentResponse, kOrder, ChosenStatically<kShift, kTaps>>;
  SweepKernel<float, Thread><<<1, 1>>>(args);
}
"""
# Of RGB images, and of many channels with a stencil whose weights are no powers of two.
KINDS = ["1, math::TapsKind::kUnit", "0, math::TapsKind::kSmoothing"]
SOURCE += "".join(
    f"template void Launch<Order::{order}, {kind}>(const StripArgs<float>&);\n"
    for order in ORDERS
    for kind in KINDS
)
IMAGE_OPS = ["ImageGradientsOp", "ImageGradientsAdjointOp", "GradientMagnitudeOp"]
SOURCE += """
template <class Op>
void LaunchImages(const ImageArgs<float>& args) {
  ImageKernel<Op><<<1, 1>>>(args, ImageThreads<float>(args));
}
"""
SOURCE += "".join(
    f"template void LaunchImages<{op}>(const ImageArgs<float>&);\n" for op in IMAGE_OPS
)
SOURCE += "}  // namespace gradops::cuda\n"
WANTED = [75, 80, 86, 89, 90, 100, 120]
EVERY_DAY = [75, 90]

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(NVCC is None, reason="nvcc is not installed"),
]


def known_architectures():
    listed = subprocess.run([NVCC, "--list-gpu-arch"], capture_output=True, text=True).stdout
    known = {int(number) for number in re.findall(r"compute_(\d+)", listed)}
    return [number for number in WANTED if number in known]


def compiled(tmp_path, architectures):
    """The object, and what ptxas says of each kernel: {(architecture, function): text}."""
    source, target = tmp_path / "sweeps.cu", tmp_path / "sweeps.o"
    source.write_text(SOURCE)
    codes = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in architectures]
    command = [NVCC, *FLAGS, *codes, f"-I{ROOT / 'csrc'}", "-c", str(source), "-o", str(target)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    blocks = re.findall(
        r"Compiling entry function '(\w+)' for 'sm_(\d+)'\n(.*?)Compile time", process.stderr, re.S
    )
    return target, {(int(number), name): text for name, number, text in blocks}


def check_resources(tmp_path, architectures):
    target, reports = compiled(tmp_path, architectures)
    kernels = {
        key: text for key, text in reports.items() if re.search("SweepKernel|ImageKernel", key[1])
    }
    assert len(kernels) == (len(ORDERS) * len(KINDS) + len(IMAGE_OPS)) * len(architectures)
    for (architecture, name), text in kernels.items():
        used = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill st\D*(\d+) bytes spill", text)
        # On Blackwell some values wait in local memory, a few for every three rows.
        allowed = 0 if architecture < 100 else 64
        assert used and max(map(int, used.groups())) <= allowed, (architecture, name, text)
        registers = int(re.search(r"Used (\d+) registers", text)[1])
        assert registers <= 128, (architecture, name, registers)  # 512 threads at once
        print(f"sm_{architecture} {registers} registers, {used[0]}: ...{name[70:180]}...")
    return target


def test_no_spills_and_no_stack(tmp_path):
    check_resources(tmp_path, EVERY_DAY)


def disassembler():
    """cuobjdump of the PyPI package of that name."""
    for file in importlib.metadata.files("nvidia-cuda-cuobjdump") or []:
        if file.name == "cuobjdump":
            return str(file.locate())
    return None


def test_every_architecture_has_them_in_registers_and_16_byte_accesses(tmp_path):
    architectures = known_architectures()
    target = check_resources(tmp_path, architectures)
    for architecture in architectures:
        command = [disassembler(), "-sass", "-arch", f"sm_{architecture}", str(target)]
        sass = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        functions = re.split(r"Function : ", sass)[1:]
        sweeps = [text for text in functions if "SweepKernel" in text.split("\n")[0]]
        assert len(sweeps) == len(ORDERS) * len(KINDS)
        for text in sweeps:
            loads, stores = (
                len(re.findall(rf"\b({ops})\b", text))
                for ops in (r"LDG\.E\.128|LDGSTS\.E\.BYPASS\.128", r"STG\.E\.128")
            )
            # One of each copies a memo; rows of two images are fetched ahead and in the loop.
            assert loads >= 5, (architecture, loads)
            # Where rows can be copied past the registers, a row is waited for while two more come.
            is_ring = re.search(r"DEPBAR\.LE SB\d, 0x2", text) is not None
            assert is_ring == (architecture >= 80), architecture
            is_slope = "OrderE1" in text.split("\n")[0]
            assert stores >= (2 if is_slope else 1), (architecture, stores)
            print(f"sm_{architecture}: {loads} loads, {stores} stores of 16 bytes")
        images = [text for text in functions if "ImageKernel" in text.split("\n")[0]]
        assert len(images) == len(IMAGE_OPS)
        for text in images:
            assert re.search(r"\bLDG\.E\.128\b", text) and re.search(r"\bSTG\.E\.128\b", text)
