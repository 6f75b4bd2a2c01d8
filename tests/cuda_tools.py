"""The CUDA kernels as `gradops._kernels` offers those of the CPU: NumPy arrays in and out.

They run as an emulation on the host or, with GRADOPS_TEST_CUDA=device, on the device (make
gpu-tests), by CuPy, of a build without TensorFlow. GRADOPS_TEST_CUDA_POOL=off gives each array
memory of its own, so that compute-sanitizer sees who reads or writes beyond.
"""

import functools
import importlib
import os
import re

import family_tools
import pytest
from family_tools import COMPUTE, DTYPES, TWO_AXES, Kernels

from gradops import _kernels

ON_DEVICE = os.environ.get("GRADOPS_TEST_CUDA") == "device"
# {function: (inputs, outputs, options, images)}
OPS = {re.sub("(?!^)([A-Z])", r"_\1", op).lower(): row for op, row in _kernels.ops().items()}

if ON_DEVICE:
    import cupy

    if os.environ.get("GRADOPS_TEST_CUDA_POOL") == "off":
        cupy.cuda.set_allocator(None)


class DeviceKernels:
    """The functions of `_kernels.cuda` on NumPy arrays, copied there and back."""

    def __getattr__(self, function):
        return functools.partial(self._run, function)

    def _run(self, function, *inputs, dtype, threads=None, **options):
        names, outputs, _options, of_images = OPS[function]
        for name in ("weights", "mask", "weights_memo"):
            if options.get(name) is not None:
                options[name] = self._upload(options[name])
        images = inputs[list(names).index(of_images)]
        made = {
            name: self._blank(*_shape_of(rule, images, dtype, options))
            for name, rule in outputs.items()
        }
        given = [None if x is None else self._upload(x) for x in inputs]
        stream = cupy.cuda.get_current_stream().ptr
        getattr(_kernels.cuda, function)(*given, **made, stream=stream, dtype=dtype, **options)
        results = tuple(cupy.asnumpy(array) for array in made.values())
        return results if len(results) > 1 else results[0]

    def _blank(self, shape, dtype):
        """Memory for an output, of NaN in every dtype, so that what is not written shows."""
        array = cupy.empty(shape, dtype)
        array.view("uint8").fill(255)
        return array

    def _upload(self, array):
        return cupy.asarray(array)


def _shape_of(rule, images, dtype, options):
    """The shape and dtype of an output."""
    if rule == "weights":
        weights = options.get("weights")
        return (0,) if weights is None else weights.shape, COMPUTE[dtype]
    residuals = 2 if options.get("response", "component") in TWO_AXES else 1
    batch = images.shape[:1]
    if rule == "counts" or (rule == "losses" and options.get("normalizer") == "none"):
        return (*batch, residuals), COMPUTE[dtype]
    if rule == "losses":
        return batch, COMPUTE[dtype]
    return images.shape[:4] + ((2,) if rule == "gradients" else ()), images.dtype


def _kernels_of(dtype):
    if ON_DEVICE:
        return Kernels(DeviceKernels(), dtype)
    return Kernels(importlib.import_module("cuda_emulation"), dtype)


CUDA = {dtype: _kernels_of(dtype) for dtype in DTYPES}


@pytest.fixture
def cuda_kernels(monkeypatch):
    """Whatever calls kernels by family_tools calls these."""
    monkeypatch.setattr(family_tools, "MODULES", CUDA)
