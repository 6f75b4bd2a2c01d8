"""The CUDA kernels on a device: nothing but the outputs is written, and all of them, at any offset.

Run by `make gpu-tests`, with CuPy.
"""

import numpy as np
import pytest
from cuda_tools import CUDA, ON_DEVICE, DeviceKernels
from family_tools import (
    COMPUTE,
    DTYPES,
    HALF_ULP,
    Kernels,
    assert_same_bits,
    decode,
    draw,
    encode,
    generator,
)

if ON_DEVICE:
    import cupy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not ON_DEVICE, reason="needs a CUDA device"),
]

GUARD = 64  # Numbers at either side of an array.
SHAPES = [(2, 9, 350, 3), (2, 67, 8, 4), (1, 9, 4, 130), (3, 1, 5, 1)]
# The plain program runs, and the general one.
OPTIONS = [
    {},
    {"response": "magnitude", "penalty": "log", "border": "circular"},
    {"response": "normal", "border": "valid", "data_format": "channels_first"},
]


class GuardedKernels(DeviceKernels):
    """Arrays that begin `shift` numbers from where they would be aligned, in guarded memory."""

    def __init__(self, shift, pattern):
        self.shift, self.pattern = shift, pattern
        self.buffers = []

    def _blank(self, shape, dtype):
        size, begin = int(np.prod(shape)), GUARD + self.shift
        buffer = cupy.empty(size + 2 * GUARD + self.shift, dtype)
        buffer.view("uint8").fill(self.pattern)
        self.buffers.append((buffer, begin, size))
        return buffer[begin : begin + size].reshape(shape)

    def _upload(self, array):
        view = self._blank(array.shape, array.dtype)
        view[...] = cupy.asarray(array)
        return view

    def _run(self, *arguments, **options):
        self.buffers = []
        results = super()._run(*arguments, **options)
        for buffer, begin, size in self.buffers:
            item = buffer.dtype.itemsize
            kept = cupy.asnumpy(buffer).view("uint8")
            assert (kept[: begin * item] == self.pattern).all(), arguments[0]
            assert (kept[(begin + size) * item :] == self.pattern).all(), arguments[0]
        return results


def calls(kernels, shape, dtype, options):
    """The outputs of every function, as NumPy arrays."""
    rng = generator(400, *shape)
    x, y, v = (encode(draw(rng, shape, dtype), dtype) for _ in range(3))
    pairs = encode(draw(rng, (*shape, 2), dtype), dtype)
    upstream = np.ones(shape[0], COMPUTE[dtype])
    loss, gradient = kernels.loss_memo(x, y, upstream, **options)
    outputs = [loss, gradient, kernels.loss(None, y, **options)]
    channel_axis = 1 if options.get("data_format") else 3
    weights = np.ones([1 if i == channel_axis else n for i, n in enumerate(shape)], COMPUTE[dtype])
    weighted = {"weights": weights, **options}
    *_, memo = kernels.loss_weights_memo(x, y, upstream, **weighted)
    for factor in (1, 2):
        given = {"weights_memo": memo, **weighted}
        outputs.append(kernels.loss_weights_grad(x, y, upstream, factor * upstream, **given))
    outputs += [memo, *kernels.loss_grad_grad(x, y, v, upstream, **weighted)]
    outputs.append(kernels.loss_weights_grad_grad(x, y, v, upstream, **weighted))
    outputs.append(kernels.loss_grad(x, y, gradient, upstream, 2 * upstream, **options))
    how = {"border": options.get("border", "reflect")}
    outputs.append(kernels.image_gradients(x, **how))
    outputs.append(kernels.image_gradients_adjoint(pairs, **how))
    outputs.append(kernels.gradient_magnitude(x, **how))
    outputs.append(kernels.gradient_magnitude_grad(x, y, **how))
    return outputs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "circular", "planes"])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_of_the_outputs_is_written_and_nothing_else_at_any_offset(shape, options, dtype):
    if min(shape[1:3]) < 3:
        options = {**options, "border": "circular"}
    if options.get("data_format"):
        shape = (shape[0], shape[3], *shape[1:3])
    wanted = calls(CUDA[dtype], shape, dtype, options)
    for shift in (0, 1, 3, 8):
        # What is not written would differ, by what was there before.
        one, other = (
            calls(Kernels(GuardedKernels(shift, p), dtype), shape, dtype, options) for p in (0, 7)
        )
        for x, y, aligned in zip(one, other, wanted, strict=True):
            assert_same_bits(x, y)
            # Unaligned rows may take another program, which rounds otherwise.
            kind = COMPUTE[dtype] if x.dtype == COMPUTE[dtype] else dtype  # losses, images
            x, aligned = decode(x, kind), decode(aligned, kind)
            atol = 16 * HALF_ULP[kind] * np.abs(aligned).max()
            np.testing.assert_allclose(x, aligned, rtol=0, atol=atol)
