"""The kernels: properties of the whole family that hold for any images."""

import hypothesis
import numpy as np
from family_checks import assert_same_outcome
from family_options import BORDERS, NORMALIZERS, PENALTIES, RESPONSES, SCALES, STENCILS
from family_tools import (
    DTYPES,
    TUNED,
    call,
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
@hypothesis.given(shapes, seeds, wide_dtypes, families(penalty="l1"), st.integers(-10, 10))
def test_l1_is_homogeneous_exactly_for_powers_of_two(shape, seed, dtype, options, exponent):
    """The degree is 1, and 0 for direction; the curved response normal has none."""
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
    """Exactly, on integers whose sum is exact. Differences ahead become differences back."""
    options = {name: options[name] for name in ("stencil", "border")} | {"penalty": penalty}
    rng, upstream = generator(seed), np.ones(shape[0])
    images = [rng.integers(0, 3, shape).astype("float64") for _ in range(2)]
    how = {"upstream": upstream, "dtype": dtype, **options}
    loss, gradient = call("loss_memo", *images, **how)
    stencil = options["stencil"]
    mirrored = {"forward": "backward", "backward": "forward"}.get(stencil, stencil)
    axes = [1, 2, 3, (1, 2)] if mirrored == stencil else [3, (1, 2)]
    turns = [
        (lambda x, axis=axis: np.flip(x, axis), stencil if axis == 3 else mirrored) for axis in axes
    ]
    for turn, of_turned in (*turns, (lambda x: x.swapaxes(1, 2), stencil)):
        other_loss, other = call("loss_memo", *map(turn, images), **{**how, "stencil": of_turned})
        np.testing.assert_array_equal(other_loss, loss)
        np.testing.assert_array_equal(other, turn(gradient))
