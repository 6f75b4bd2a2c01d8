"""The CUDA kernels as `gradops._kernels` offers those of the CPU: NumPy arrays in and out.

They run as an emulation on the host or, with GRADOPS_TEST_CUDA=device, on the device (make
gpu-check), by CuPy, of a build without TensorFlow. GRADOPS_TEST_CUDA_POOL=off gives each array
memory of its own, so that compute-sanitizer sees who reads or writes beyond.
"""

import importlib
import os

import family_tools
import pytest
from family_tools import COMPUTE, DTYPES, NARROW

from gradops import _kernels

ON_DEVICE = os.environ.get("GRADOPS_TEST_CUDA") == "device"
JOINT = ["magnitude", "direction", "normal"]

if ON_DEVICE:
    import cupy

    if os.environ.get("GRADOPS_TEST_CUDA_POOL") == "off":
        cupy.cuda.set_allocator(None)


class DeviceKernels:
    """`_kernels.cuda` for images of one dtype, with arrays copied there and back."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.compute = COMPUTE[dtype]

    def _upload(self, array):
        """An input on the device."""
        return cupy.asarray(array)

    def _blank(self, shape, dtype):
        """Memory for an output, of NaN in every dtype, so that what is not written shows."""
        array = cupy.empty(shape, dtype)
        array.view("uint8").fill(255)
        return array

    def _run(self, function, inputs, outputs, options):
        """Calls with outputs of these (shape, dtype); returns them as NumPy arrays."""
        options = dict(options)
        options.pop("threads", None)
        if self.dtype in NARROW:
            options["dtype"] = self.dtype
        for name in ("weights", "mask"):
            if options.get(name) is not None:
                options[name] = self._upload(options[name])
        made = [self._blank(shape, dtype) for shape, dtype in outputs]
        given = [None if x is None else self._upload(x) for x in inputs]
        stream = cupy.cuda.get_current_stream().ptr
        getattr(_kernels.cuda, function)(*given, *made, stream=stream, **options)
        return [cupy.asnumpy(array) for array in made]

    def _losses(self, y_pred, options):
        batch = y_pred.shape[:1]
        if options.get("normalizer") != "none":
            return batch, self.compute
        axes = 1 if options.get("response") in JOINT else 2
        return (*batch, axes), self.compute

    def loss(self, y_true, y_pred, **options):
        return self._run("loss", [y_true, y_pred], [self._losses(y_pred, options)], options)[0]

    def loss_and_gradient(self, y_true, y_pred, upstream, **options):
        outputs = [self._losses(y_pred, options), (y_pred.shape, y_pred.dtype)]
        return self._run("loss_and_gradient", [y_true, y_pred, upstream], outputs, options)

    def loss_gradient(self, y_true, y_pred, memo, expected, upstream, **options):
        inputs = [y_true, y_pred, memo, expected, upstream]
        return self._run("loss_gradient", inputs, [(y_pred.shape, y_pred.dtype)], options)[0]

    def loss_second(self, y_true, y_pred, vector, upstream, **options):
        images = (y_pred.shape, y_pred.dtype)
        outputs = [images, images, self._losses(y_pred, options)]
        return self._run("loss_second", [y_true, y_pred, vector, upstream], outputs, options)

    def loss_counts(self, y_pred, **options):
        axes = 1 if options.get("response") in JOINT else 2
        outputs = [((y_pred.shape[0], axes), self.compute)]
        return self._run("loss_counts", [y_pred], outputs, options)[0]

    def image_gradients(self, images, **options):
        outputs = [((*images.shape, 2), images.dtype)]
        return self._run("image_gradients", [images], outputs, options)[0]

    def image_gradients_adjoint(self, upstream, **options):
        outputs = [(upstream.shape[:-1], upstream.dtype)]
        return self._run("image_gradients_adjoint", [upstream], outputs, options)[0]

    def gradient_magnitude(self, images, **options):
        outputs = [(images.shape, images.dtype)]
        return self._run("gradient_magnitude", [images], outputs, options)[0]

    def gradient_magnitude_gradient(self, images, upstream, **options):
        outputs = [(images.shape, images.dtype)]
        return self._run("gradient_magnitude_gradient", [images, upstream], outputs, options)[0]


def _kernels_of(dtype):
    if ON_DEVICE:
        return DeviceKernels(dtype)
    emulation = importlib.import_module("cuda_emulation")
    return getattr(emulation, dtype) if dtype in NARROW else emulation


CUDA = {dtype: _kernels_of(dtype) for dtype in DTYPES}


@pytest.fixture
def cuda_kernels(monkeypatch):
    """Whatever calls kernels by family_tools calls these."""
    monkeypatch.setattr(family_tools, "MODULES", CUDA)
