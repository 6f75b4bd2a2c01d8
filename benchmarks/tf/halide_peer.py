"""The loss in Halide: what its compiler makes of the same formulas, with a schedule by hand.

Rows are one dimension of width * channels elements, so that loops over them are vectors. The
gradient goes strip by strip, each with its rows of p - t and of slopes in the caches, and the loss
by a pass of its own: with compute_with, which fuses the two, it took more than twice the time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.modes import Call, Result
from benchmarks.problems import Problem

# Chosen by measurement, on two cores with AVX-512.
_VECTOR, _GRADIENT_ROWS, _LOSS_ROWS = 16, 24, 16


class _Axis:
    """A variable of Halide's, its size, and how far apart neighbours are."""

    def __init__(self, hl: Any, name: str, size: int, step: int):
        self._hl, self.var, self.size, self.step = hl, hl.Var(name), size, step

    def is_inside(self, at: Any, margin: int = 0) -> Any:
        return (at >= margin * self.step) & (at < self.size - margin * self.step)

    def reflect(self) -> Any:
        """The position that a ghost is a copy of."""
        hl, at = self._hl, self.var
        ghost = hl.select(at < 0, at + 2 * self.step, at - 2 * self.step)
        return hl.clamp(hl.select(self.is_inside(at), hl.likely(at), ghost), 0, self.size - 1)

    def adjoint(self, f: Callable[[Any], Any], smooths: bool) -> Any:
        """The transpose of a pass along the axis: a ghost's part goes to what it is a copy of."""
        hl, at, step = self._hl, self.var, self.step
        is_second = (at >= step) & (at < 2 * step)
        is_last_but_one = (at >= self.size - 2 * step) & (at < self.size - step)

        def sum_of(before: Any, after: Any) -> Any:
            if smooths:
                return before * f(at - step) + 2.0 * f(at) + after * f(at + step)
            return before * f(at - step) - after * f(at + step)

        folded = 2.0 if smooths else 0.0
        edge = sum_of(hl.select(is_second, folded, 1.0), hl.select(is_last_but_one, folded, 1.0))
        return hl.select(self.is_inside(at, 2), hl.likely(sum_of(1.0, 1.0)), edge)


class _Formulas:
    """Functions of Halide's for images [B, H, W, C]."""

    def __init__(self, hl: Any, shape: tuple[int, ...]):
        batch, height, width, channels = shape
        self._hl = hl
        self.x = _Axis(hl, "x", width * channels, channels)
        self.y = _Axis(hl, "y", height, 1)
        self.batch, self.example = batch, hl.Var("example")
        self.p, self.t = (hl.ImageParam(hl.Float(32), 3, name) for name in ("p", "t"))
        for image in (self.p, self.t):
            self._bound(image)

    def _bound(self, image: Any) -> None:
        row, rows = self.x.size, self.y.size
        image.dim(0).set_bounds(0, row)
        image.dim(1).set_bounds(0, rows).set_stride(row)
        image.dim(2).set_bounds(0, self.batch).set_stride(row * rows)

    def difference(self, name: str) -> Any:
        d, at = self._hl.Func(name), (self.x.reflect(), self.y.reflect(), self.example)
        d[self.x.var, self.y.var, self.example] = self.p[at] - self.t[at]
        return d

    def residuals(self, d: Any, x: Any, y: Any) -> tuple[Any, Any]:
        """The differences of dy and dx."""
        step, n = self.x.step, self.example

        def smoothed(y: Any) -> Any:
            return d[x - step, y, n] + 2.0 * d[x, y, n] + d[x + step, y, n]

        def derivative(y: Any) -> Any:
            return d[x + step, y, n] - d[x - step, y, n]

        along = derivative(y - 1) + 2.0 * derivative(y) + derivative(y + 1)
        return smoothed(y + 1) - smoothed(y - 1), along

    def gradient(self) -> Any:
        """That of the mean, by p."""
        hl, x, y, n = self._hl, self.x, self.y, self.example
        d, here = self.difference("d"), (x.var, y.var, n)
        slopes = []
        for name, residual in zip("yx", self.residuals(d, x.var, y.var), strict=True):
            slope = hl.Func(f"slope_{name}")
            sign = hl.select(residual > 0, 1.0, hl.select(residual < 0, -1.0, 0.0))
            is_inside = x.is_inside(x.var) & y.is_inside(y.var)
            slope[here] = hl.select(is_inside, hl.likely(sign), 0.0)
            slopes.append(slope)
        of_y, of_x = hl.Func("of_y"), hl.Func("of_x")
        of_y[here] = y.adjoint(lambda at: slopes[0][x.var, at, n], smooths=False)
        of_x[here] = y.adjoint(lambda at: slopes[1][x.var, at, n], smooths=True)
        gradient = hl.Func("gradient")
        total = x.adjoint(lambda at: of_y[at, y.var, n], smooths=True)
        total += x.adjoint(lambda at: of_x[at, y.var, n], smooths=False)
        gradient[here] = np.float32(0.5 / (x.size * y.size * self.batch)) * total
        self._bound(gradient.output_buffer())

        strip, row = hl.Var("strip"), hl.Var("row")
        guard, round_up = hl.TailStrategy.GuardWithIf, hl.TailStrategy.RoundUp
        gradient.split(y.var, strip, row, _GRADIENT_ROWS, guard).fuse(strip, n, strip)
        gradient.parallel(strip).vectorize(x.var, _VECTOR, guard)
        for buffered in (d, *slopes):
            buffered.compute_at(gradient, row).store_at(gradient, strip)
            buffered.vectorize(x.var, _VECTOR, round_up)
        return gradient

    def sums(self) -> Any:
        """[example, strip, lane]: sums of |dy| + |dx|, in the order of NumPy."""
        hl, x, y, n = self._hl, self.x, self.y, self.example
        d, lane, strip = self.difference("d_of_loss"), hl.Var("lane"), hl.Var("strip")
        within = hl.RDom([(0, -(-x.size // _VECTOR)), (0, _LOSS_ROWS)])
        at_x, at_y = within.x * _VECTOR + lane, strip * _LOSS_ROWS + within.y
        within.where((at_x < x.size) & (at_y < y.size))
        value = hl.Func("value")
        of_y, of_x = self.residuals(d, x.var, y.var)
        value[x.var, y.var, n] = hl.abs(of_y) + hl.abs(of_x)
        sums = hl.Func("sums")
        sums[lane, strip, n] = hl.f32(0)
        sums[lane, strip, n] += value[at_x, at_y, n]
        sums.bound(lane, 0, _VECTOR).bound(strip, 0, -(-y.size // _LOSS_ROWS))
        sums.bound(n, 0, self.batch).vectorize(lane)
        sums.update().reorder(lane, within.x, within.y, strip, n).vectorize(lane)
        sums.update().fuse(strip, n, strip).parallel(strip)
        d.compute_at(sums, within.y).store_at(sums, strip)
        d.vectorize(x.var, _VECTOR, hl.TailStrategy.RoundUp)
        return sums


def training_step(problem: Problem) -> Call:
    """The loss and its gradient, which goes to a buffer of the problem."""
    threads = problem.threads or len(os.sched_getaffinity(0))
    os.environ["HL_NUM_THREADS"] = str(threads)  # read at the first call
    import halide as hl

    batch, height, width, channels = problem.shape
    formulas = _Formulas(hl, problem.shape)
    pipeline = hl.Pipeline([formulas.gradient(), formulas.sums()])
    flat = (batch, height, width * channels)
    formulas.p.set(hl.Buffer(problem.y_pred.reshape(flat)))
    formulas.t.set(hl.Buffer(problem.y_true.reshape(flat)))
    sums = np.empty((batch, -(-height // _LOSS_ROWS), _VECTOR), np.float32)
    outputs = [hl.Buffer(problem.out.reshape(flat)), hl.Buffer(sums)]
    pipeline.compile_jit()

    def call() -> Result:
        pipeline.realize(outputs)
        return sums.sum(dtype=np.float64) / (2 * problem.out.size), problem.out

    return call
