"""Long axes, large batches, many channels, and more than 2^31 elements in one tensor.

Images are a tile repeated along one axis or more. Numbers are multiples of a power of two, so each
tile's gradients have the bits that they have in a small image of four tiles: those of its first
tile, of its second, which stands for all between, and of its last. The small image is compared with
the oracle. Sums over pixels grow linearly with the number of tiles, also where borders differ.
"""

import itertools
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from family_checks import TOLERANCE, assert_outcome_near
from family_tools import (
    COMPUTE,
    TUNED,
    Example,
    assert_same_bits,
    call,
    encode,
    example,
    expect,
    generator,
    run,
)
from weights_tools import assert_near, by_weights

import gradops

KEPT = 4  # tiles of the small image along each repeated axis
# The number of pixels is then the same multiple of the small image's with every border.
NORMALIZER = {"normalizer": "pixel_count"}


class Layout(NamedTuple):
    """A tile's shape as the kernels take it, and {axis: how often it is repeated}."""

    tile: tuple[int, ...]
    repeats: dict[int, int]
    data_format: str = "channels_last"

    @property
    def shape(self):
        return tuple(size * self.repeats.get(axis, 1) for axis, size in enumerate(self.tile))

    @property
    def ratio(self):
        """The size of an example in sizes of the small image's."""
        return math.prod(times / KEPT for axis, times in self.repeats.items() if axis)


def repeated(tile, repeats):
    if tile is None:
        return None
    return np.tile(tile, [repeats.get(axis, 1) for axis in range(tile.ndim)])


def repeated_example(tiles, repeats):
    images = (repeated(tile, repeats) for tile in tiles[:3])
    return Example(*images, np.tile(tiles.upstream, repeats.get(0, 1)))


def in_small(positions, tile, times):
    """Where along an axis of the small image the same numbers are."""
    block, within = np.divmod(positions, tile)
    return np.where(block == 0, 0, np.where(block == times - 1, KEPT - 1, 1)) * tile + within


def assert_repeats(found, small, layout):
    """Every element has the bits of the small image's, compared in parts of 2^24 elements."""
    main = max(layout.repeats, key=lambda axis: found.shape[axis])

    def places(axis, begin, end):
        return in_small(np.arange(begin, end), layout.tile[axis], layout.repeats[axis])

    for axis in layout.repeats.keys() - {main}:
        small = np.take(small, places(axis, 0, found.shape[axis]), axis)
    size = found.shape[main]
    step = max(1, 2**24 * size // math.prod(found.shape))
    for begin in range(0, size, step):
        end = min(begin + step, size)
        part = found[(slice(None),) * main + (slice(begin, end),)]
        expected = np.take(small, places(main, begin, end), main)
        assert_same_bits(np.ascontiguousarray(part), expected)


def expected_sums(tiles, layout, maps, options):
    """The oracle's losses, derivatives by upstream and the sizes of their terms, times pixels.

    They are linear in the number of tiles along each axis, so they follow from 4 tiles and 5.
    """

    def sums(repeats):
        data = repeated_example(tiles, repeats)
        given = {name: repeated(tile, repeats) for name, tile in maps.items()}
        wanted = expect(data, **given, **options)
        terms = np.abs(data.vector * wanted.gradient).sum(axis=(1, 2, 3)) / np.abs(data.upstream)
        return np.stack([wanted.loss, wanted.by_upstream, terms]) * data.y_pred[0].size

    axes = [axis for axis in layout.repeats if axis]
    total = 0
    for kept in itertools.product((KEPT, KEPT + 1), repeat=len(axes)):
        repeats = dict(zip(axes, kept, strict=True))
        signs = [
            layout.repeats[axis] - KEPT if n > KEPT else KEPT + 1 - layout.repeats[axis]
            for axis, n in repeats.items()
        ]
        total = total + math.prod(signs) * sums(repeats)
    return np.tile(total, layout.repeats.get(0, 1))


def assert_sums(loss, along, tiles, layout, dtype, options, maps=None):
    """Within the rounding of rows, which are added in the type that is computed in."""
    pixels = math.prod(layout.shape[1:])
    wanted, by_upstream, terms = expected_sums(tiles, layout, maps or {}, options) / pixels
    tolerance = TOLERANCE[COMPUTE[dtype]]
    np.testing.assert_allclose(loss, wanted, rtol=tolerance["sums"], atol=0)
    if along is not None:
        assert np.all(np.abs(along - by_upstream) <= tolerance["gradient"] * terms)


LONG = {
    "rows": Layout((1, 40, 5, 2), {1: 2500}),
    "columns": Layout((1, 5, 40, 2), {2: 2500}),
    "columns of one channel": Layout((1, 4, 25, 1), {2: 4000}),
    "examples": Layout((50, 4, 4, 1), {0: 2000}),
    "channels": Layout((2, 6, 7, 64), {3: 64}),
    "rows and columns": Layout((1, 20, 24, 3), {1: 40, 2: 20}),
    "rows of planes": Layout((1, 2, 40, 5), {2: 2500}, "channels_first"),
    "columns of planes": Layout((1, 2, 5, 40), {3: 2500}, "channels_first"),
    "planes": Layout((2, 64, 6, 7), {1: 64}, "channels_first"),
}
MEMBERS = [
    {"penalty": "l1", "border": "reflect"},
    {"penalty": "huber", "border": "valid", "stencil": "scharr"},
    {"penalty": "l2", "border": "circular", "response": "absolute", "stencil": "prewitt"},
    {"penalty": "charbonnier", "border": "zero", "stencil": "forward"},
    {"penalty": "truncated", "border": "replicate", "response": "sum", "stencil": "laplace8"},
]


def cases():
    """All of each, but the quick suite has one member at each layout."""
    for (place, name), (number, member) in itertools.product(enumerate(LONG), enumerate(MEMBERS)):
        for dtype in ("float32", "bfloat16"):
            quick = dtype == "float32" and place % len(MEMBERS) == number
            marks = [] if quick else pytest.mark.extended
            yield pytest.param(name, member, dtype, marks=marks, id=f"{name}-{number}-{dtype}")


@pytest.mark.parametrize(("name", "member", "dtype"), list(cases()))
def test_long_axes(name, member, dtype):
    """The loss, both orders of derivatives by the images, and the derivative by the weights."""
    layout = LONG[name]
    options = {**member, **TUNED.get(member["penalty"], {}), **NORMALIZER}
    options["data_format"] = layout.data_format
    rng = generator(*layout.tile)
    tiles = example(rng, layout.tile, dtype)
    tiles = tiles._replace(upstream=np.resize([-2.0, 0.5, 1.0, 3.0], layout.tile[0]))
    channels = 3 if layout.data_format == "channels_last" else 1
    of_map = list(layout.tile)
    if channels not in layout.repeats:
        of_map[channels] = 1
    maps = {"weights": rng.integers(0, 9, of_map) / 8}

    kept = dict.fromkeys(layout.repeats, KEPT)
    small = repeated_example(tiles, kept)
    given = {name: repeated(tile, kept) for name, tile in maps.items()} | options
    assert_outcome_near(run(small, dtype, **given), expect(small, **given), small, dtype, options)

    def outputs(data, given):
        how = {"upstream": data.upstream, "dtype": dtype, **given}
        loss, memo, weights_memo = call("loss_weights_memo", *data[:2], **how)
        by_true, by_pred, along = call("loss_grad_grad", *data[:3], **how)
        return (memo, weights_memo, by_true, by_pred), loss, along

    wanted, _, _ = outputs(small, given)
    tolerance = TOLERANCE[COMPUTE[dtype]]["gradient"]
    assert_near(wanted[1], by_weights(*small[:2], small.upstream, **given), tolerance, options)
    large = repeated_example(tiles, layout.repeats)
    large = large._replace(upstream=layout.ratio * large.upstream)
    given = {name: repeated(tile, layout.repeats) for name, tile in maps.items()} | options
    found, loss, along = outputs(large, given)
    assert loss.shape == (layout.shape[0],)
    for image, part in zip(found, wanted, strict=True):
        assert_repeats(image, part, layout)
    assert_sums(loss, along, tiles, layout, dtype, options, maps)


HUGE = {
    "one plane": Layout((1, 185, 121, 3), {1: 256, 2: 128}),
    "two rows": Layout((1, 2, 4000, 1), {2: 278528}),
    "two columns": Layout((1, 4000, 2, 1), {1: 278528}),
    "large images": Layout((1, 128, 152, 3), {0: 9, 1: 64, 2: 64}),
    "small images": Layout((5, 37, 33, 3), {0: 120000}),
    "channels": Layout((1, 24, 20, 64), {3: 71680}),
    "planes": Layout((1, 8, 66, 50), {1: 83336}, "channels_first"),
}
HUGE_OPTIONS = [{}, {"penalty": "huber", "delta": 0.7, "border": "replicate"}]


def tiles_of(layout, has_target=True):
    tiles = example(generator(411), layout.tile, "bfloat16")
    tiles = tiles._replace(upstream=np.ones(layout.tile[0]))
    return tiles if has_target else tiles._replace(y_true=None)


def small_gradient(tiles, layout, upstream, options):
    """That of the small image in bfloat16, once it has been compared with the oracle."""
    small = repeated_example(tiles, dict.fromkeys(layout.repeats, KEPT))
    small = small._replace(upstream=upstream * small.upstream)
    outcome = run(small, "bfloat16", **options)
    assert_outcome_near(outcome, expect(small, **options), small, "bfloat16", options)
    return encode(outcome.gradient, "bfloat16")


def skip_without_memory(layout, images):
    """Skips where so many images of bfloat16 do not fit into the memory that is free."""
    assert math.prod(layout.shape) > 2**31
    lines = Path("/proc/meminfo")
    if not lines.exists():
        pytest.skip("cannot tell how much memory there is")
    free = 1024 * int(lines.read_text().partition("MemAvailable:")[2].split()[0])
    needed = 2 * images * math.prod(layout.shape) + 2**31
    if free < needed:
        pytest.skip(f"needs {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} are free")


@pytest.mark.extended
@pytest.mark.parametrize("target", ["given", "none"])
@pytest.mark.parametrize("name", HUGE)
def test_more_than_2_31_elements(name, target):
    layout = HUGE[name]
    skip_without_memory(layout, 3 if target == "given" else 2)
    options = {**HUGE_OPTIONS[target == "none"], "data_format": layout.data_format, **NORMALIZER}
    tiles = tiles_of(layout, has_target=target == "given")
    coded = [None if tile is None else encode(tile, "bfloat16") for tile in tiles[:2]]
    images = [repeated(tile, layout.repeats) for tile in coded]
    how = {"upstream": np.full(layout.shape[0], layout.ratio), "dtype": "bfloat16", **options}
    loss, gradient = call("loss_memo", coded=images, **how)
    assert_sums(loss, None, tiles, layout, "bfloat16", options)
    assert_repeats(gradient, small_gradient(tiles, layout, 1, options), layout)


@pytest.mark.extended
def test_more_than_2_31_elements_in_tensorflow():
    """A training step; its ratio to the small image is a power of two, so that its bits agree."""
    layout = HUGE["one plane"]
    skip_without_memory(layout, 3)
    tiles = tiles_of(layout)
    multiples = [layout.repeats.get(axis, 1) for axis in range(4)]
    y_true, y_pred = (tf.tile(tf.constant(x, tf.bfloat16), multiples) for x in tiles[:2])
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        losses = gradops.gradient_loss(y_true, y_pred, **NORMALIZER)
        loss = tf.reduce_mean(losses)
    gradient = tf.bitcast(tape.gradient(loss, y_pred), tf.uint16)
    assert_sums(losses.numpy(), None, tiles, layout, "bfloat16", NORMALIZER)
    assert_repeats(gradient, small_gradient(tiles, layout, 1 / layout.ratio, NORMALIZER), layout)
