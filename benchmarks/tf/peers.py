"""Other libraries, where they are installed: the extra `peers`.

Each computes the loss of the default options, sobel/component/l1; kornia's has the border
replicate, so it is given, and checked on, problems of that border. Libraries are imported when they
are first asked for: PyTorch's and JAX's threads are to disturb nothing else.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import slices
from benchmarks.modes import FORWARD, TRAINING_STEP, Builder, Call
from benchmarks.problems import NAMED, Problem
from benchmarks.tf import halide_peer

TORCH, KORNIA, JAX, OPENCV = "torch.compile", "kornia", "jax.jit", "opencv"
HALIDE = "halide"
_MODULES = {
    HALIDE: ("halide",),
    TORCH: ("torch",),
    KORNIA: ("torch", "kornia"),
    JAX: ("jax",),
    OPENCV: ("cv2",),
}


def available() -> list[str]:
    """The peers that are installed."""
    return [
        name
        for name, modules in _MODULES.items()
        if all(importlib.util.find_spec(module) for module in modules)
    ]


def options_of(peer: str) -> dict[str, str]:
    """The options of the loss that a peer computes."""
    return {**NAMED, "border": "replicate"} if peer == KORNIA else dict(NAMED)


def _torch(threads: int) -> Any:
    # Its threads would spin on for the next call, on cores that other libraries' threads want.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    return torch


def _torch_step(torch: Any, loss_function: Callable[..., Any], images: tuple[Any, Any]) -> Call:
    t, p = images
    p.requires_grad_(True)

    def call() -> tuple[Any, Any]:
        loss = loss_function(t, p)
        (gradient,) = torch.autograd.grad(loss, p)
        return loss.item(), gradient

    return call


def _torch_compile(problem: Problem) -> Call:
    torch = _torch(problem.threads)
    torch.compiler.reset()  # After some shapes of one function it would give up compiling.
    function = torch.compile(lambda t, p: slices.sobel_l1(p - t, torch.cat).mean(), dynamic=False)
    images = torch.from_numpy(problem.y_true), torch.from_numpy(problem.y_pred).clone()
    return _torch_step(torch, function, images)


def _kornia(problem: Problem) -> Call:
    torch = _torch(problem.threads)
    from kornia.filters import spatial_gradient

    def loss(t: Any, p: Any) -> Any:
        gradients = (spatial_gradient(x, normalized=False) for x in (p, t))
        gradient_p, gradient_t = gradients
        return (gradient_p - gradient_t).abs().mean()

    def planes(images: np.ndarray) -> Any:
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    step = _torch_step(torch, loss, (planes(problem.y_true), planes(problem.y_pred)))

    def call() -> tuple[Any, Any]:
        loss, gradient = step()
        return loss, gradient.permute(0, 2, 3, 1)  # A view.

    return call


def _jax(problem: Problem) -> Call:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    def absolute(x: Any) -> Any:
        """JAX's own has the slope 1 at 0."""
        return x * jax.lax.stop_gradient(jax.numpy.sign(x))

    def loss(p: Any, t: Any) -> Any:
        return slices.sobel_l1(p - t, jax.numpy.concatenate, absolute).mean()

    function = jax.jit(jax.value_and_grad(loss))
    t, p = jax.numpy.asarray(problem.y_true), jax.numpy.asarray(problem.y_pred)

    def call() -> tuple[Any, Any]:
        loss, gradient = function(p, t)
        gradient.block_until_ready()
        return float(loss), gradient

    return call


def _opencv(problem: Problem) -> Call:
    import cv2

    cv2.setNumThreads(problem.threads or len(os.sched_getaffinity(0)))

    def call() -> tuple[Any, Any]:
        losses = np.empty(len(problem.y_pred))
        for example, (t, p) in enumerate(zip(problem.y_true, problem.y_pred, strict=True)):
            d = cv2.subtract(p, t)
            total = 0.0
            for dx, dy in ((1, 0), (0, 1)):
                edges = cv2.Sobel(d, -1, dx, dy, ksize=3, borderType=cv2.BORDER_REFLECT_101)
                total += cv2.norm(edges, cv2.NORM_L1)
            losses[example] = total / (2 * d.size)
        return losses, None

    return call


# Provider -> mode -> builder.
PEERS: dict[str, dict[str, Builder]] = {
    HALIDE: {TRAINING_STEP: halide_peer.training_step},
    TORCH: {TRAINING_STEP: _torch_compile},
    KORNIA: {TRAINING_STEP: _kornia},
    JAX: {TRAINING_STEP: _jax},
    OPENCV: {FORWARD: _opencv},
}
