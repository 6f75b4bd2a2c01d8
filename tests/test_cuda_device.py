"""The CUDA kernels on a device: repeats, streams, graphs, refused calls, other libraries' arrays.

Run by `make gpu-tests`, with CuPy; what the kernels compute is tested in test_cuda_kernels.py.
"""

import numpy as np
import pytest
from cuda_tools import ON_DEVICE
from family_tools import COMPUTE, DTYPES, assert_same_bits, decode, draw, encode, generator

from gradops import _kernels

if ON_DEVICE:
    import cupy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not ON_DEVICE, reason="needs a CUDA device"),
]


def on_device(rng, shape, dtype):
    return cupy.asarray(encode(draw(rng, shape, dtype), dtype))


class Step:
    """Loss and gradient of arrays of the device, into outputs of its own."""

    def __init__(self, shape, dtype, **options):
        rng = generator(401, *shape)
        self.images = [on_device(rng, shape, dtype) for _ in range(2)]
        self.upstream = cupy.full(shape[0], 0.5, COMPUTE[dtype])
        self.loss = cupy.empty(shape[0], COMPUTE[dtype])
        self.gradient = cupy.empty_like(self.images[0])
        self.options = {"dtype": dtype, **options}

    def enqueue(self, stream):
        _kernels.cuda.loss_memo(
            *self.images, self.upstream, self.loss, self.gradient, stream=stream.ptr, **self.options
        )

    def poison(self):
        for array in (self.loss, self.gradient):
            array.view("uint8").fill(255)

    def results(self):
        """After all that was enqueued anywhere."""
        cupy.cuda.Device().synchronize()
        return [cupy.asnumpy(self.loss), cupy.asnumpy(self.gradient)]

    def assert_gives(self, wanted):
        for found, one in zip(self.results(), wanted, strict=True):
            assert_same_bits(found, one)


MANY_BLOCKS = [(2, 5, 6, 3), (64, 128, 96, 3), (4, 1024, 1024, 3), (1, 2048, 2048, 1)]
each_step = pytest.mark.parametrize(
    "options",
    [{}, {"response": "normal"}, {"response": "magnitude", "border": "circular"}],
    ids=str,
)


@pytest.mark.parametrize("dtype", DTYPES)
@each_step
@pytest.mark.parametrize("shape", MANY_BLOCKS)
def test_the_same_bits_run_after_run_on_any_stream_and_in_a_graph(shape, options, dtype):
    step = Step(shape, dtype, **options)
    step.enqueue(cupy.cuda.Stream.null)
    wanted = step.results()
    for _ in range(10):
        step.poison()
        step.enqueue(cupy.cuda.Stream.null)
        step.assert_gives(wanted)
    stream = cupy.cuda.Stream(non_blocking=True)
    step.poison()
    cupy.cuda.Device().synchronize()
    step.enqueue(stream)
    step.assert_gives(wanted)
    with stream:
        stream.begin_capture()
        step.enqueue(stream)
        graph = stream.end_capture()
    for _ in range(3):
        step.poison()
        cupy.cuda.Device().synchronize()
        graph.launch(stream)
        step.assert_gives(wanted)


def test_calls_on_several_streams_at_once():
    """Their scratch memory is theirs alone."""
    steps = [Step((2 + i, 200 + 31 * i, 160, 3), "float32") for i in range(8)]
    wanted = []
    for step in steps:
        step.enqueue(cupy.cuda.Stream.null)
        wanted.append(step.results())
    streams = [cupy.cuda.Stream(non_blocking=True) for _ in steps]
    for _ in range(5):
        for step in steps:
            step.poison()
        cupy.cuda.Device().synchronize()
        for _ in range(20):
            for step, stream in zip(steps, streams, strict=True):
                step.enqueue(stream)
        for step, one in zip(steps, wanted, strict=True):
            step.assert_gives(one)


def test_scratch_memory_is_given_back():
    step = Step((4, 512, 512, 3), "float32", normalizer="batch")
    weights = cupy.ones((4, 512, 512, 1), "float32")
    free = []
    for _ in range(3):
        for _ in range(200):
            step.options["weights"] = weights
            step.enqueue(cupy.cuda.Stream.null)
        step.results()
        free.append(cupy.cuda.runtime.memGetInfo()[0])
    assert free[0] - free[-1] < 2**24, free


def bad_calls(step):
    """(arguments, options) that must be refused, and what is said."""
    x, y = step.images
    rest = (step.upstream, step.loss, step.gradient)
    host, wide = cupy.asnumpy(x), x.astype("float64")
    upside_down, small = x[:, ::-1], [cupy.ascontiguousarray(image[:, :1]) for image in (x, y)]
    yield (host, y, *rest), {}, "y_true must be an array on a CUDA device"
    yield (x, upside_down, *rest), {}, "y_pred must be dense and row-major"
    yield (x, wide, *rest), {}, "y_true must be of dtype float64, got float32"
    yield (x[:1], y, *rest), {}, "y_true and y_pred must have the same shape"
    yield (x, y[0], *rest), {}, "y_pred must have rank 4"
    yield (*small, *rest), {}, "y_pred is too small"
    yield (x, y, *rest), {"penalty": "l3"}, "penalty"
    yield (x, y, *rest), {"mask": x}, "mask must be of dtype bool"
    yield (x, y, *rest), {"weights": cupy.ones((2, 2, 2, 1), "float32")}, "weights must have shape"
    yield (x, y, *rest[:2], step.gradient[:1]), {}, "memo must have shape"


def test_a_refused_call_leaves_no_error_behind():
    step = Step((2, 40, 33, 3), "float32")
    step.enqueue(cupy.cuda.Stream.null)
    wanted = step.results()
    refused = 0
    for arguments, options, message in bad_calls(step):
        with pytest.raises(ValueError, match=message):
            _kernels.cuda.loss_memo(*arguments, **options)
        step.poison()
        step.enqueue(cupy.cuda.Stream.null)
        step.assert_gives(wanted)
        refused += 1
    assert refused == 10


def test_the_baselines_do_what_they_are_held_against():
    rng = generator(402)
    for dtype in DTYPES:
        a, b = (on_device(rng, (3, 37, 41, 3), dtype) for _ in range(2))
        out, sums = cupy.empty_like(a), cupy.empty(1024, COMPUTE[dtype])
        _kernels.cuda.triad(a, b, out, dtype=dtype)
        _kernels.cuda.sum_absolute_difference(a, b, sums, dtype=dtype)
        difference = decode(cupy.asnumpy(a), dtype) - decode(cupy.asnumpy(b), dtype)
        np.testing.assert_array_equal(decode(cupy.asnumpy(out), dtype), difference)
        np.testing.assert_allclose(cupy.asnumpy(sums).sum(), np.abs(difference).sum(), rtol=1e-5)
    _kernels.cuda.nothing()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_pytorch(dtype):
    """By DLPack where it offers no CUDA array interface, as for bfloat16."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    step = Step((2, 40, 33, 3), dtype)
    step.enqueue(cupy.cuda.Stream.null)
    wanted = step.results()
    kind = getattr(torch, dtype)
    bits = {"float16": torch.int16, "bfloat16": torch.int16}.get(dtype, kind)
    host = [cupy.asnumpy(x) for x in (*step.images, step.upstream)]
    host = [x.view("int16") if x.dtype == "uint16" else x for x in host]
    x, y, upstream = (torch.from_numpy(x).cuda() for x in host)
    x, y = x.view(kind), y.view(kind)
    loss, gradient = torch.empty_like(upstream), torch.full_like(y, 7)
    stream = torch.cuda.current_stream().cuda_stream
    _kernels.cuda.loss_memo(x, y, upstream, loss, gradient, stream=stream)
    torch.cuda.synchronize()
    found = [loss.cpu().numpy(), gradient.view(bits).cpu().numpy()]
    for one, other in zip(found, wanted, strict=True):
        assert one.tobytes() == other.tobytes()
