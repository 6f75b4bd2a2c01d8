"""The kernels: properties of the whole family that hold for any images."""

import hypothesis
import numpy as np
from family_checks import TOLERANCE, assert_image_near, assert_same_outcome
from family_options import BORDERS, NORMALIZERS, PENALTIES, RESPONSES, SCALES, STENCILS
from family_tools import (
    COMPUTE,
    DTYPES,
    TUNED,
    TWO_AXES,
    Example,
    call,
    decode,
    draw,
    example,
    generator,
    noisy,
    run,
)
from hypothesis import strategies as st

properties = hypothesis.settings(
    deadline=None, max_examples=30, derandomize=True, database=None, print_blob=False
)
shapes = st.tuples(st.integers(1, 3), st.integers(3, 9), st.integers(3, 40), st.integers(1, 4))
seeds = st.integers(0, 2**32 - 1)
wide_dtypes = st.sampled_from(["float32", "float64"])


@st.composite
def families(draw_from, **fixed):
    options = {
        "stencil": STENCILS,
        "border": BORDERS,
        "response": RESPONSES,
        "penalty": PENALTIES,
        "scale": SCALES,
        "normalizer": NORMALIZERS,
    }
    options |= {name: [value] for name, value in fixed.items()}
    case = {name: draw_from(st.sampled_from(values)) for name, values in options.items()}
    return {**case, **TUNED.get(case["penalty"], {})}


@properties
@hypothesis.given(shapes, seeds, st.sampled_from(DTYPES), families())
def test_the_loss_is_symmetric_bit_for_bit(shape, seed, dtype, options):
    data = example(generator(seed), shape, dtype, options, noisy)
    swapped = data._replace(y_true=data.y_pred, y_pred=data.y_true)
    one, other = run(data, dtype, **options), run(swapped, dtype, **options)
    np.testing.assert_array_equal(one.loss, other.loss)
    if options["response"] == "component":
        np.testing.assert_array_equal(one.gradient, -other.gradient)
        np.testing.assert_array_equal(one.by_true, -one.by_pred)


@properties
@hypothesis.given(shapes, seeds, st.sampled_from(DTYPES), families())
def test_no_target_is_a_target_of_zeros(shape, seed, dtype, options):
    data = example(generator(seed), shape, dtype, options, noisy)
    zeros = run(data._replace(y_true=np.zeros(shape)), dtype, **options)
    found = run(data._replace(y_true=None), dtype, **options)
    assert_same_outcome(found._replace(by_true=zeros.by_true), zeros)


@properties
@hypothesis.given(shapes, seeds, wide_dtypes, families(penalty="l1"), st.integers(-10, 10))
def test_l1_is_homogeneous_exactly_for_powers_of_two(shape, seed, dtype, options, exponent):
    """Of degree 1, and of degree 0 for direction; not for the curved response normal."""
    if options["response"] == "normal":
        return
    data = example(generator(seed), shape, dtype, options, noisy)
    factor = 2.0**exponent
    scaled = data._replace(y_true=factor * data.y_true, y_pred=factor * data.y_pred)
    if options["response"] == "direction":
        options = {**options, "response_epsilon": 0}
    degree = 0 if options["response"] == "direction" else 1
    one, other = run(data, dtype, **options), run(scaled, dtype, **options)
    np.testing.assert_array_equal(other.loss, one.loss * factor**degree)
    np.testing.assert_array_equal(other.gradient, one.gradient * factor ** (degree - 1))


@properties
@hypothesis.given(
    shapes,
    seeds,
    wide_dtypes,
    families(penalty="power"),
    st.sampled_from([1.0, 1.5, 2.0, 3.0, 4.5]),
    st.sampled_from([0.125, 3.0, 7.5]),
)
def test_power_is_homogeneous_of_degree_alpha(shape, seed, dtype, options, alpha, factor):
    if options["response"] not in ("magnitude", *TWO_AXES):
        return
    options = {**options, "alpha": alpha}
    data = example(generator(seed), shape, dtype, options)
    scaled = data._replace(y_true=factor * data.y_true, y_pred=factor * data.y_pred)
    one, other = run(data, dtype, **options), run(scaled, dtype, **options)
    tolerance = TOLERANCE[dtype]["sums"] * 20  # small differences of magnitudes
    np.testing.assert_allclose(other.loss, one.loss * factor**alpha, rtol=tolerance)


@properties
@hypothesis.given(
    shapes,
    seeds,
    st.sampled_from(DTYPES),
    families(border="circular"),
    st.integers(0, 8),
    st.integers(0, 39),
)
def test_a_circular_border_makes_the_loss_independent_of_a_shift(
    shape, seed, dtype, options, down, right
):
    if options["stencil"] == "forward":
        return
    data = example(generator(seed), shape, dtype, options)
    shifted = Example(*(np.roll(x, (down, right), (1, 2)) for x in data[:3]), data.upstream)
    one = run(data, dtype, **options)
    other = run(shifted, dtype, **options)
    tolerance = TOLERANCE[COMPUTE[dtype]]["sums"]
    np.testing.assert_allclose(other.loss, one.loss, rtol=tolerance)
    # The same arithmetic for every pixel, but for the factor in front.
    expected = np.roll(one.gradient, (down, right), (1, 2))
    assert_image_near(other.gradient, expected, dtype)


@properties
@hypothesis.given(shapes, seeds, st.sampled_from(DTYPES), families(), st.booleans())
def test_an_all_true_mask_and_weights_of_one_change_nothing(
    shape, seed, dtype, options, per_channel
):
    maps = shape if per_channel else (*shape[:3], 1)
    data = example(generator(seed), shape, dtype, options)
    plain = run(data, dtype, **options)
    tolerance = TOLERANCE[COMPUTE[dtype]]
    for more in [
        {"mask": np.ones(maps, bool)},
        {"weights": np.ones(maps)},
        {"mask": np.ones(maps, bool), "weights": np.ones(maps)},
    ]:
        outcome = run(data, dtype, **options, **more)
        np.testing.assert_allclose(outcome.loss, plain.loss, rtol=tolerance["sums"])
        assert_image_near(outcome.gradient, plain.gradient, dtype)
        assert_image_near(outcome.by_pred, plain.by_pred, dtype)
        counts = [call("loss_counts", data.y_pred, dtype=dtype, **options, **x) for x in ({}, more)]
        np.testing.assert_array_equal(*counts)


@properties
@hypothesis.given(shapes, seeds, wide_dtypes, families(), st.sampled_from([0.25, 2.0, 8.0]))
def test_weights_times_a_constant_scale_sums_and_leave_means_alone(
    shape, seed, dtype, options, factor
):
    """Bit for bit, with a power of two."""
    rng = generator(seed)
    weights = rng.integers(0, 9, shape) / 8
    data = example(rng, shape, dtype, options)
    one = run(data, dtype, weights=weights, **options)
    other = run(data, dtype, weights=factor * weights, **options)
    scale = factor if options["normalizer"] == "none" else 1
    assert_same_outcome(other, type(one)(*(scale * values for values in one)))


@properties
@hypothesis.given(shapes, seeds, st.sampled_from(DTYPES), families())
def test_channels_first_gives_what_channels_last_gives(shape, seed, dtype, options):
    """One sum is added in another order: not the same bits."""
    rng = generator(seed)
    images = [draw(rng, shape, dtype) for _ in range(2)]
    weights, mask = rng.integers(0, 9, shape) / 8, rng.random(shape) > 0.1
    given = {"weights": weights, "mask": mask}
    axes = 2 if options["response"] in TWO_AXES else 1
    upstream = np.ones((shape[0], axes) if options["normalizer"] == "none" else shape[0])
    options = {**options, "upstream": upstream, "dtype": dtype}
    loss, gradient = call("loss_and_gradient", *images, **options, **given)
    moved = [np.ascontiguousarray(np.moveaxis(x, 3, 1)) for x in (*images, weights, mask)]
    given = {"weights": moved[2], "mask": moved[3], "data_format": "channels_first"}
    other, other_gradient = call("loss_and_gradient", *moved[:2], **options, **given)
    tolerance = TOLERANCE[COMPUTE[dtype]]["sums"]
    np.testing.assert_allclose(other, loss, rtol=tolerance)
    expected = np.moveaxis(decode(gradient, dtype), 3, 1)
    assert_image_near(decode(other_gradient, dtype), expected, dtype)


integers = st.integers(-1000, 1000)
exact = {"response": "component", "scale": "raw"}


@properties
@hypothesis.given(shapes, seeds, wide_dtypes, families(**exact, border="replicate"), integers)
def test_a_constant_added_to_an_image_changes_nothing(shape, seed, dtype, options, constant):
    """Exactly, on integers, as each derivative adds up to 0."""
    rng = generator(seed)
    data = example(rng, shape, dtype, options, lambda rng, shape, _: rng.integers(0, 3, shape))
    for moved in (
        data._replace(y_pred=data.y_pred + constant),
        data._replace(y_true=data.y_true + constant, y_pred=data.y_pred + constant),
    ):
        assert_same_outcome(run(moved, dtype, **options), run(data, dtype, **options))


@properties
@hypothesis.given(shapes, seeds, wide_dtypes, st.sampled_from(["l1", "l2"]), families(**exact))
def test_flipped_and_transposed_images_have_the_same_loss_and_gradient(
    shape, seed, dtype, penalty, options
):
    """Exactly, on integers whose sum is exact, but for forward differences, which look ahead."""
    if options["stencil"] == "forward":
        return
    options = {name: options[name] for name in ("stencil", "border")} | {"penalty": penalty}
    rng, upstream = generator(seed), np.ones(shape[0])
    images = [rng.integers(0, 3, shape).astype("float64") for _ in range(2)]
    how = {"upstream": upstream, "dtype": dtype, **options}
    loss, gradient = call("loss_and_gradient", *images, **how)
    turns = [lambda x, axis=axis: np.flip(x, axis) for axis in (1, 2, 3)]
    for turn in (*turns, lambda x: x.swapaxes(1, 2)):
        other_loss, other = call("loss_and_gradient", *map(turn, images), **how)
        np.testing.assert_array_equal(other_loss, loss)
        np.testing.assert_array_equal(other, turn(gradient))
