"""PyTorch's ways to compute the default loss: a depthwise convolution, slices, both by autograd.

The images are those of the other providers, by DLPack, without a copy; the convolution has them as
planes beside each other, or in PyTorch's own channels_last, as it likes best. Narrow images are
widened first: arithmetic is float32, as in the fused kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import slices
from benchmarks.cuda.buffers import Buffers
from benchmarks.modes import Call, Result

CONVOLUTION, PLANES_LAST = "torch conv2d", "torch conv2d channels_last"
SLICES, COMPILED = "torch slices", "torch.compile"
_DERIVATIVE, _SMOOTHING = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)


def tensor(array: Any, dtype: str) -> Any:
    """An array of the device as a tensor, without a copy; bfloat16 comes as its bits."""
    import torch

    if dtype == "bfloat16":
        return torch.from_dlpack(array.view("int16")).view(torch.bfloat16)
    return torch.from_dlpack(array)


def _step(
    buffers: Buffers,
    losses: Callable[[Any, Any], Any],
    arrange: Callable[[Any], Any] = lambda images: images,
    back: Callable[[Any], Any] = lambda gradient: gradient,
) -> Call:
    """Losses [B] of images that `arrange` makes once, before anything is timed."""
    import torch

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    pairs = []
    for y_true, y_pred, _ in buffers.sets:
        images = [arrange(tensor(image, buffers.problem.dtype)) for image in (y_true, y_pred)]
        pairs.append((images[0].detach(), images[1].detach().requires_grad_(True)))
    upstream = tensor(buffers.upstream, "float32")

    def call() -> Result:
        t, p = pairs[buffers.turn()]
        values = losses(t, p)
        (gradient,) = torch.autograd.grad(values, p, upstream)
        return values.detach(), back(gradient)

    return call


def convolution(buffers: Buffers, planes_last: bool = False) -> Call:
    """`conv2d` of the padded difference, planes beside each other or as channels_last."""
    import torch
    from torch.nn import functional

    channels = buffers.problem.shape[3]
    along, across = np.array(_DERIVATIVE), np.array(_SMOOTHING)
    taps = np.stack([np.outer(along, across), np.outer(across, along)]).astype("float32")
    where = tensor(buffers.upstream, "float32").device
    weight = torch.from_numpy(taps)[:, None].repeat(channels, 1, 1, 1).to(where)
    layout = torch.channels_last if planes_last else torch.contiguous_format

    def losses(t: Any, p: Any) -> Any:
        d = functional.pad(p.float() - t.float(), (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(d, weight, groups=channels).abs().mean((1, 2, 3))

    return _step(
        buffers,
        losses,
        lambda images: images.permute(0, 3, 1, 2).contiguous(memory_format=layout),
        lambda gradient: gradient.permute(0, 2, 3, 1),
    )


def convolution_channels_last(buffers: Buffers) -> Call:
    """The same in PyTorch's memory format channels_last."""
    return convolution(buffers, planes_last=True)


def _losses_by_slices(t: Any, p: Any) -> Any:
    import torch

    return slices.sobel_l1(p.float() - t.float(), torch.cat)


def by_slices(buffers: Buffers) -> Call:
    """Slices, eager."""
    return _step(buffers, _losses_by_slices)


def compiled(buffers: Buffers) -> Call:
    """Slices in `torch.compile`, forward and backward, for this shape."""
    import torch

    torch.compiler.reset()  # After some shapes of one function it would give up compiling.
    return _step(buffers, torch.compile(_losses_by_slices, dynamic=False))
