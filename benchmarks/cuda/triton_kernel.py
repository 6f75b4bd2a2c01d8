"""The default loss and its gradient in Triton: one pass, as a peer of the fused kernels.

A program sweeps a strip of rows, a block of numbers wide. It keeps two rows of what it needs in
registers, and loads each difference at five columns: what its neighbours have, it computes again.
Importing this module imports Triton.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _reflected(index, size):
    return tl.maximum(size - 1 - tl.abs(size - 1 - tl.abs(index)), 0)


@triton.jit
def _sign(x):
    return tl.where(x > 0, 1.0, 0.0) - tl.where(x < 0, 1.0, 0.0)


@triton.jit
def _difference(y_true, y_pred, at, inside):
    t = tl.load(y_true + at, mask=inside, other=0.0).to(tl.float32)
    return tl.load(y_pred + at, mask=inside, other=0.0).to(tl.float32) - t


@triton.jit
def sobel_l1(
    y_true,
    y_pred,
    gradient,
    sums,
    upstream,
    inverse,
    height,
    width,
    channels: tl.constexpr,
    rows: tl.constexpr,
    block: tl.constexpr,
    stages: tl.constexpr,
):
    """Of [B, H, W, C] images; the grid is (blocks of a row, strips of rows, B).

    gradient = upstream_b * inverse * d sum / d y_pred; sums has, for each program, the sum of |gy|
    and |gx| over its pixels. `inverse` is one over the residuals of an example.
    Rows are loaded `stages` - 1 steps ahead.
    """
    tile, strip, example = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    numbers = width * channels
    at = tile * block + tl.arange(0, block)
    inside = at < numbers
    column = at // channels
    channel = at - column * channels
    # The numbers at columns -2 to 2 from here, reflected.
    a = _reflected(column - 2, width) * channels + channel
    b = _reflected(column - 1, width) * channels + channel
    d = _reflected(column + 1, width) * channels + channel
    e = _reflected(column + 2, width) * channels + channel
    # How the residuals to the left and right see this column: twice where they reflect.
    has_left = tl.where(column > 0, 1.0, 0.0)
    has_right = tl.where(column < width - 1, 1.0, 0.0)
    left = has_left * tl.where(column == 1, 2.0, 1.0)
    right = has_right * tl.where(column == width - 2, 2.0, 1.0)
    image = example.to(tl.int64) * height * numbers
    y_true += image
    y_pred += image
    gradient += image
    first = strip * rows
    factor = tl.load(upstream + example) * inverse

    zero = tl.zeros([block], tl.float32)
    total = zero
    # The two rows before: differences and sums along the row, at columns -1, 0 and 1.
    x_l1, x_c1, x_r1, x_l2, x_c2, x_r2 = zero, zero, zero, zero, zero, zero
    s_l1, s_c1, s_r1, s_l2, s_c2, s_r2 = zero, zero, zero, zero, zero, zero
    # The slopes of the two residual rows before, through the adjoint along the row.
    ax1, ax2, ay1, ay2 = zero, zero, zero, zero
    for step in tl.range(rows + 4, num_stages=stages):
        row = first + step - 2
        line = _reflected(row, height) * numbers
        v = _difference(y_true, y_pred, line + a, inside)
        w = _difference(y_true, y_pred, line + b, inside)
        x = _difference(y_true, y_pred, line + at, inside)
        y = _difference(y_true, y_pred, line + d, inside)
        z = _difference(y_true, y_pred, line + e, inside)
        x_l, x_c, x_r = x - v, y - w, z - x
        s_l, s_c, s_r = v + 2 * w + x, w + 2 * x + y, x + 2 * y + z

        middle = row - 1  # The row of these residuals.
        counts = tl.where((middle >= 0) & (middle < height), 1.0, 0.0)
        gx_l, gy_l = x_l2 + 2 * x_l1 + x_l, s_l - s_l2
        gx_c, gy_c = x_c2 + 2 * x_c1 + x_c, s_c - s_c2
        gx_r, gy_r = x_r2 + 2 * x_r1 + x_r, s_r - s_r2
        owns = (middle >= first) & (middle < first + rows) & (middle < height)
        total += tl.where(inside & owns, tl.abs(gx_c) + tl.abs(gy_c), 0.0)
        ax = counts * (has_left * _sign(gx_l) - has_right * _sign(gx_r))
        ay = counts * (left * _sign(gy_l) + 2 * _sign(gy_c) + right * _sign(gy_r))

        out = row - 2  # The row of this gradient.
        up = tl.where(out == 1, 2.0, 1.0)
        down = tl.where(out == height - 2, 2.0, 1.0)
        value = factor * (up * ax2 + 2 * ax1 + down * ax + ay2 - ay)
        writes = inside & (out >= first) & (out < height)
        tl.store(gradient + out * numbers + at, value.to(gradient.dtype.element_ty), mask=writes)

        x_l2, x_c2, x_r2, x_l1, x_c1, x_r1 = x_l1, x_c1, x_r1, x_l, x_c, x_r
        s_l2, s_c2, s_r2, s_l1, s_c1, s_r1 = s_l1, s_c1, s_r1, s_l, s_c, s_r
        ax2, ax1, ay2, ay1 = ax1, ax, ay1, ay
    program = (example * tl.num_programs(1) + strip) * tl.num_programs(0) + tile
    tl.store(sums + program, tl.sum(total, 0))
