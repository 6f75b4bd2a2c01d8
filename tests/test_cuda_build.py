"""CMake's choice of CUDA and what it says when that cannot be; the check of the built libraries.

Most of it needs no CUDA compiler: a script stands in for nvcc up to where it would compile.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NVCC = shutil.which("nvcc")
CMAKE = shutil.which("cmake")
KNOWN = "75 80 86 87 88 89 90 100 103 110 120 121"
pytestmark = pytest.mark.skipif(CMAKE is None, reason="cmake is not installed")


def path_without_nvcc(tmp_path):
    """A PATH with everything but nvcc."""
    folders = []
    for number, folder in enumerate(map(Path, os.environ["PATH"].split(os.pathsep))):
        if (folder / "nvcc").exists():
            copy = tmp_path / f"bin{number}"
            copy.mkdir()
            for tool in folder.iterdir():
                if tool.name != "nvcc":
                    (copy / tool.name).symlink_to(tool)
            folder = copy
        folders.append(str(folder))
    return os.pathsep.join(folders)


def nvcc_stub(tmp_path, version="13.0", known=KNOWN):
    """A compiler that knows its version and its architectures."""
    stub = tmp_path / "nvcc"
    architectures = "\\n".join(f"compute_{number}" for number in known.split())
    stub.write_text(
        f"""#!/bin/sh
case $1 in
--version) echo 'Cuda compilation tools, release {version}, V{version}.88' ;;
--list-gpu-arch) printf '{architectures}\\n' ;;
*) exit 1 ;;
esac
"""
    )
    stub.chmod(0o755)
    return str(stub)


def configure(tmp_path, *options, **environment):
    """(exit status, what CMake said with its line breaks undone)."""
    tree = tmp_path / "tree"
    options = ["-DGRADOPS_TF=OFF", f"-DPython_EXECUTABLE={sys.executable}", *options]
    result = subprocess.run(
        [CMAKE, "-S", ROOT, "-B", tree, *options],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDACXX": "", "CUDAARCHS": "", **environment},
    )
    return result.returncode, " ".join((result.stdout + result.stderr).split())


def compiles_cuda(tmp_path):
    return "gradops_cuda.dir" in (tmp_path / "tree" / "compile_commands.json").read_text()


def nvidia_smi(tmp_path, devices):
    """A PATH whose nvidia-smi finds so many devices."""
    folder = tmp_path / "driver"
    folder.mkdir()
    lines = "echo 9.0\n" * devices  # what is asked for: the compute capability of each
    failure = "" if devices else "echo 'No devices were found'\nexit 6\n"
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{lines}{failure}")
    (folder / "nvidia-smi").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_a_value_that_is_none(tmp_path):
    status, said = configure(tmp_path, "-DGRADOPS_CUDA=maybe")
    assert status != 0
    assert "GRADOPS_CUDA must be ON, OFF or AUTO, got 'maybe'" in said


@pytest.mark.extended
def test_without_a_compiler(tmp_path):
    path = path_without_nvcc(tmp_path)
    status, said = configure(tmp_path, "-DGRADOPS_CUDA=ON", PATH=path)
    assert status != 0
    assert "GRADOPS_CUDA=ON, but there is no CUDA compiler. Install a CUDA toolkit >= 12.4" in said
    assert "PATH" in said and "CUDACXX" in said and "GRADOPS_CUDA=OFF" in said
    status, said = configure(tmp_path, "-DGRADOPS_CUDA=AUTO", PATH=path)
    assert status == 0 and "CUDA kernels: none, " in said, said
    assert "Warning" not in said and not compiles_cuda(tmp_path)
    status, said = configure(tmp_path, "-DGRADOPS_CUDA=OFF", CUDACXX="/no/such/nvcc")
    assert status == 0 and not compiles_cuda(tmp_path), said
    assert "CUDA kernels: none, by GRADOPS_CUDA=OFF" in said


@pytest.mark.extended
def test_auto_is_a_cpu_build_where_there_is_no_device(tmp_path):
    environment = {"CUDACXX": nvcc_stub(tmp_path), "PATH": nvidia_smi(tmp_path, devices=0)}
    status, said = configure(tmp_path, **environment)
    assert status == 0 and "CUDA kernels: none, " in said, said
    assert "Warning" not in said and not compiles_cuda(tmp_path)


@pytest.mark.extended
@pytest.mark.parametrize("choice", ["AUTO", "ON"])
def test_a_compiler_that_does_not_serve(tmp_path, choice):
    """Too old, or no nvcc, which AUTO asks for where there is a device."""
    path = nvidia_smi(tmp_path, devices=1)
    stub = nvcc_stub(tmp_path, version="12.3", known="80 90")
    for name, compiler, message in (
        ("old", stub, f"CUDA toolkit 12.3 ({stub}) is too old: >= 12.4 is needed"),
        ("other", shutil.which("false"), "is no nvcc that runs"),
    ):
        options = [f"-DGRADOPS_CUDA={choice}"]
        status, said = configure(tmp_path / name, *options, CUDACXX=compiler, PATH=path)
        assert status != 0 and message in said, said


@pytest.mark.extended
@pytest.mark.parametrize("text", ["80;77", "80 77-real", "sm_77"])
def test_an_unknown_architecture(tmp_path, text):
    options = ["-DGRADOPS_CUDA=ON", f"-DGRADOPS_CUDA_ARCHS={text}"]
    status, said = configure(tmp_path, *options, CUDACXX=nvcc_stub(tmp_path))
    assert status != 0
    unknown = re.split("[ ,;]", text)[-1]
    assert f"no GPU architecture '{unknown}' for nvcc 13.0, which knows {KNOWN}" in said


@pytest.mark.extended
@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ([], "75-real;80-real;86-real;89-real;90-real;100-real;120-real;120-virtual"),
        (["-DGRADOPS_CUDA_ARCHS=90a, 80-real 86-virtual"], "90a;80-real;86-virtual"),
        (["-DCMAKE_CUDA_ARCHITECTURES=80;90"], "80;90"),
        (["-DCMAKE_CUDA_ARCHITECTURES=80", "-DGRADOPS_CUDA_ARCHS=90"], "90"),
        (
            ["-DGRADOPS_CUDA_ARCHS=all-major"],
            "75-real;80-real;90-real;100-real;110-real;120-real;120-virtual",
        ),
    ],
)
def test_the_chosen_architectures(tmp_path, options, chosen):
    """The stand-in is found out later, when CMake has it compile."""
    stub = nvcc_stub(tmp_path)
    said = configure(tmp_path, "-DGRADOPS_CUDA=ON", *options, CUDACXX=stub)[1]
    assert f"CUDA kernels: by nvcc 13.0 ({stub}) for {chosen}" in said


@pytest.mark.extended
def test_the_default_is_what_an_older_compiler_knows(tmp_path):
    stub = nvcc_stub(tmp_path, version="12.4", known="50 60 75 80 86 89 90")
    said = configure(tmp_path, "-DGRADOPS_CUDA=ON", CUDACXX=stub)[1]
    assert "for 75-real;80-real;86-real;89-real;90-real;90-virtual" in said


def build_settings(tmp_path, **environment):
    """What setup.py would have CMake do, and the local version of the package."""
    (tmp_path / "cmake").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/said; exit 1\n")
    (tmp_path / "cmake").chmod(0o755)
    environment = {"GRADOPS_TF": "OFF", "CUDACXX": nvcc_stub(tmp_path), **environment}
    environment["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = "import gradops_build_backend as b; print(b.version_label())"
    label = subprocess.run(
        [sys.executable, "-c", command],
        cwd=ROOT / "build_support",
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    ).stdout.strip()
    subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--build-lib", tmp_path],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
    )
    return (tmp_path / "said").read_text().splitlines(), label


@pytest.mark.extended
def test_what_setup_hands_to_cmake(tmp_path):
    said, label = build_settings(tmp_path, GRADOPS_CUDA="ON", GRADOPS_CUDA_ARCHS="80;90-real")
    assert "-DGRADOPS_CUDA=ON" in said and "-DGRADOPS_CUDA_ARCHS=80;90-real" in said
    assert label == "+cu130" and said[said.index("-B") + 1].endswith("-cuda-13.0")


@pytest.mark.extended
def test_a_cpu_build_has_no_label(tmp_path):
    said, label = build_settings(tmp_path, GRADOPS_CUDA="OFF")
    assert "-DGRADOPS_CUDA=OFF" in said
    assert label == "" and "cuda" not in said[said.index("-B") + 1]


def check_symbols(library):
    command = [CMAKE, f"-DNM={shutil.which('nm')}", f"-DLIBRARY={library}"]
    command += ["-P", ROOT / "cmake" / "CheckCudaSymbols.cmake"]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.returncode, " ".join(result.stderr.split())


@pytest.mark.extended
@pytest.mark.skipif(not shutil.which("nm") or not shutil.which("g++"), reason="no g++ or nm")
@pytest.mark.parametrize("name", ["cudaMalloc", "__cudaRegisterFunction"])
def test_a_library_that_expects_cuda_from_elsewhere_fails_the_build(tmp_path, name):
    libraries = {}
    for kind, body in (("bad", f"{name}()"), ("good", "0")):
        source = tmp_path / f"{kind}.cc"
        source.write_text(f'extern "C" int {name}(); int f() {{ return {body}; }}')
        libraries[kind] = tmp_path / f"{kind}.so"
        subprocess.run(["g++", "-shared", "-fPIC", source, "-o", libraries[kind]], check=True)
    assert check_symbols(libraries["good"]) == (0, "")
    status, said = check_symbols(libraries["bad"])
    assert status != 0 and name in said and "CUDA::cudart_static must be linked" in said
    assert libraries["good"].exists() and not libraries["bad"].exists()


# What is said of arrays, by pretending that some of the host are of a device.
DEVICE_ARRAYS = """
import _kernels, numpy as np
class Array:
    def __init__(self, array, **other):
        pointer = array.ctypes.data, False
        mine = dict(shape=array.shape, typestr=array.dtype.str, data=pointer, strides=None)
        self.array, self.__cuda_array_interface__ = array, {**mine, **other}
print(_kernels.build_info()["version"])
images, loss = np.zeros((2, 4, 4, 1), "float32"), np.zeros(2, "float32")
for call in (
    (images, Array(images), Array(loss)),
    (None, Array(images, strides=(4, 4, 4, 4)), Array(loss)),
    (None, Array(images[0]), Array(loss)),
    (None, Array(images.reshape((2, 4, 4) + 9 * (1,)), strides=(64, 16) + 10 * (4,)), Array(loss)),
    (None, Array(images), Array(loss, data=(loss.ctypes.data, True))),
    (None, 3, Array(loss)),
    (None, Array(images), Array(np.zeros(3, "float32"))),
    (None, Array(images), Array(np.zeros(2))),
    (None, Array(images.view("uint16")[..., :1].copy(), typestr="<V2"), Array(np.zeros(2))),
):
    try:
        _kernels.cuda.loss(*call)
    except ValueError as error:
        print(error)
"""


@pytest.mark.extended  # minutes for each architecture, so for one; test_cuda_compile.py has others
@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")
def test_a_cuda_build_without_tensorflow(tmp_path):
    """No folder of this machine is in the library, which says what is wrong with arrays."""
    status, said = configure(tmp_path, "-DGRADOPS_CUDA=ON", "-DGRADOPS_CUDA_ARCHS=90", CUDACXX=NVCC)
    assert status == 0, said
    tree = tmp_path / "tree"
    result = subprocess.run(
        [CMAKE, "--build", tree, "--parallel", "2"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    kernels = (tree / "gradops" / "libgradops_kernels.so").read_bytes()
    assert str(ROOT).encode() not in kernels and str(tmp_path).encode() not in kernels
    result = subprocess.run(
        [sys.executable, "-c", DEVICE_ARRAYS], cwd=tree / "gradops", capture_output=True, text=True
    )
    said = result.stdout.splitlines()
    assert re.fullmatch(r"[\d.]+\+cu\d+", said[0]), result.stderr
    wanted = ["y_true must be an array on a CUDA device, got one on another device"]
    wanted += ["y_pred must be dense and row-major"]
    wanted += ["y_pred must have rank 4 [B, H, W, C], got shape [4,4,1]"]
    wanted += ["y_pred must have rank 4 [B, H, W, C], got shape [2,4,4" + 9 * ",1" + "]"]
    wanted += ["loss must be writeable"]
    wanted += ["y_pred must be an array on a CUDA device (with __cuda_array_interface__ or"]
    wanted += ["loss must have shape [2], got [3]"]
    wanted += 2 * ["loss must be of dtype float32, got float64"]  # also of images of bfloat16
    assert len(said) == 1 + len(wanted)
    for line, start in zip(said[1:], wanted, strict=True):
        assert line.startswith(start), line
