"""Definitions typed independently of the NumPy reference, pixel by pixel, for its tests."""

import functools
import itertools
import math

import numpy as np

STENCILS = ["sobel", "scharr", "prewitt", "central", "forward", "backward", "laplace", "laplace8"]
PENALTIES = ["l1", "l2", "charbonnier", "huber", "log", "power", "truncated"]
RESPONSES = ["component", "magnitude", "absolute", "direction", "normal", "sum"]
NORMALIZERS = ["residuals", "pixels", "batch", "residual_count", "pixel_count"]
BORDERS = ["reflect", "replicate", "zero", "circular", "valid"]
TWO_RESIDUALS = ["component", "absolute"]
SHAPES = [(2, 2), (2, 5), (3, 2), (2, 3), (3, 3), (4, 5), (7, 11)]

# The kernel of gy, from row -1, column -1 on; that of gx is its transpose.
KERNELS = {
    "sobel": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "scharr": [[-3, -10, -3], [0, 0, 0], [3, 10, 3]],
    "prewitt": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "central": [[0, -1, 0], [0, 0, 0], [0, 1, 0]],
    "forward": [[0, 0, 0], [0, -1, 0], [0, 1, 0]],
    "backward": [[0, -1, 0], [0, 1, 0], [0, 0, 0]],
    "laplace": [[0, 1, 0], [0, -2, 0], [0, 1, 0]],
    "laplace8": [[0.5, 2, 0.5], [-1, -4, -1], [0.5, 2, 0.5]],
}
UNITS = {
    "sobel": 8,
    "scharr": 32,
    "prewitt": 6,
    "central": 2,
    "forward": 1,
    "backward": 1,
    "laplace": 1,
    "laplace8": 3,
}
NO_GHOSTS = ["forward", "backward"]

# Penalties with parameters that are not the defaults.
TUNED = {
    "l1": {},
    "l2": {},
    "charbonnier": {"epsilon": 0.3},
    "huber": {"delta": 0.7},
    "log": {"epsilon": 0.9},
    "power": {"alpha": 2.5},
    "truncated": {"delta": 1.7},
}
VALUES = {
    "l1": abs,
    "l2": lambda r: r**2,
    "charbonnier": lambda r, epsilon=1e-3: math.hypot(r, epsilon),
    "huber": lambda r, delta=1.0: r**2 / 2 if abs(r) <= delta else delta * abs(r) - delta**2 / 2,
    "log": lambda r, epsilon=0.5: math.log(1 + abs(r) / epsilon),
    "power": lambda r, alpha=2.0: abs(r) ** alpha,
    "truncated": lambda r, delta=1.0: abs(r) if abs(r) < delta else delta,
}


def smallest(stencil, border):
    """The smallest H and W allowed."""
    if stencil in NO_GHOSTS:
        return 2 if border == "valid" else 1
    return {"reflect": 2, "valid": 3}.get(border, 1)


def mapped(index, size, border):
    if 0 <= index < size:
        return index
    ghosts = {"reflect": (1, size - 2), "replicate": (0, size - 1), "circular": (size - 1, 0)}
    return ghosts[border][index > 0] if border in ghosts else None


@functools.cache
def residuals(height, width, stencil, border):
    """{(i, j, k): (taps, support)} of gy and gx, taps {(row, column): weight}; None if dropped."""
    result = {}
    for i, j, k in itertools.product(range(height), range(width), range(2)):
        kernel = np.array(KERNELS[stencil])
        kernel = kernel if k == 0 else kernel.T
        raw = {
            (i + di - 1, j + dj - 1): float(kernel[di, dj])
            for di, dj in itertools.product(range(3), range(3))
            if kernel[di, dj]
        }
        outside = any(not (0 <= r < height and 0 <= c < width) for r, c in raw)
        if outside and border == "valid":
            result[i, j, k] = None
            continue
        if outside and stencil in NO_GHOSTS:
            raw = {}
        taps = {}
        for (r, c), weight in raw.items():
            pixel = mapped(r, height, border), mapped(c, width, border)
            if None not in pixel:
                taps[pixel] = taps.get(pixel, 0) + weight
        taps = {pixel: weight for pixel, weight in taps.items() if weight}
        result[i, j, k] = taps, set(taps) or {(i, j)}
    return result


def groups(response, border="reflect", stencil="sobel", *, height, width):
    """The residuals of a response: (centre, axis k, components, union of their supports)."""
    table = residuals(height, width, stencil, border)
    for i, j in itertools.product(range(height), range(width)):
        sets = [[(i, j, 0)], [(i, j, 1)]]
        if response not in TWO_RESIDUALS:
            sets = [[(i, j, 0), (i, j, 1)]]
        for k, components in enumerate(sets):
            if all(table[component] is not None for component in components):
                support = set().union(*(table[component][1] for component in components))
                yield (i, j), k, components, support


def brute_gradients(images, stencil="sobel", border="reflect"):
    result = np.zeros((*images.shape, 2))
    for (i, j, k), entry in residuals(*images.shape[1:3], stencil, border).items():
        for (row, column), weight in entry[0].items() if entry else ():
            result[:, i, j, :, k] += weight * images[:, row, column]
    return result


def brute_adjoint(upstream, stencil="sobel", border="reflect"):
    result = np.zeros(upstream.shape[:-1])
    for (i, j, k), entry in residuals(*upstream.shape[1:3], stencil, border).items():
        for (row, column), weight in entry[0].items() if entry else ():
            result[:, row, column] += weight * upstream[:, i, j, :, k]
    return result


def brute_response(response, g_p, g_t, epsilon=None):
    """The residual of two gradients (gy, gx), by angles and vectors; component i for two."""
    if response == "sum":
        return sum(g_p) - sum(g_t)
    if response == "magnitude":
        return math.sqrt(math.hypot(*g_p) ** 2 + (epsilon or 0)) - math.sqrt(
            math.hypot(*g_t) ** 2 + (epsilon or 0)
        )
    if response == "direction":
        least = 1e-6 if epsilon is None else epsilon
        if any(math.hypot(*g) < least or math.hypot(*g) == 0 for g in (g_p, g_t)):
            return 0.0
        return 1 - math.cos(math.atan2(*g_p) - math.atan2(*g_t))
    normals = [np.array([-g[1], -g[0], 1.0]) for g in (g_p, g_t)]
    return 1 - np.dot(*normals) / np.prod([np.linalg.norm(n) for n in normals])


def brute_sums(y_true, y_pred, options, weights=None, mask=None):
    """(sums, counts) [B, K] by a loop over every residual."""
    options = dict(options)
    stencil, border = options.pop("stencil", "sobel"), options.pop("border", "reflect")
    scale = UNITS[stencil] if options.pop("scale", "raw") == "unit" else 1
    response, penalty = options.pop("response", "component"), options.pop("penalty", "l1")
    epsilon = options.pop("response_epsilon", None)
    batch, height, width, channels = y_pred.shape
    weights = np.ones(y_pred.shape) if weights is None else np.broadcast_to(weights, y_pred.shape)
    mask = np.ones(y_pred.shape, bool) if mask is None else np.broadcast_to(mask, y_pred.shape)
    sums, counts = np.zeros((2, batch, 2 if response in TWO_RESIDUALS else 1))
    table = residuals(height, width, stencil, border)
    for b, c in itertools.product(range(batch), range(channels)):
        for centre, k, components, support in groups(
            response, border, stencil, height=height, width=width
        ):
            if not all(mask[b][pixel][c] for pixel in support):
                continue
            g_p, g_t = (
                [
                    sum(weight * image[b][pixel][c] for pixel, weight in table[x][0].items())
                    / scale
                    for x in components
                ]
                for image in (y_pred, y_true)
            )
            if response == "component":
                r = g_p[0] - g_t[0]
            elif response == "absolute":
                r = abs(g_p[0]) - abs(g_t[0])
            else:
                r = brute_response(response, g_p, g_t, epsilon)
            sums[b, k] += weights[b][centre][c] * VALUES[penalty](r, **options)
            counts[b, k] += weights[b][centre][c]
    return sums, counts


def members():
    """Options of every stencil, border, response and penalty."""
    for stencil, border, response, penalty in itertools.product(
        STENCILS, BORDERS, RESPONSES, PENALTIES
    ):
        yield {"stencil": stencil, "border": border, "response": response, "penalty": penalty}


def pair(seed, *shape):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.normal(size=shape)


def grid(values):
    """A [1, H, W, 1] image from nested lists."""
    return np.asarray(values, np.float64)[None, :, :, None]


def first(images):
    """The [B, C, H, W, ...] form of [B, H, W, C, ...]."""
    return np.moveaxis(images, 3, 1)
