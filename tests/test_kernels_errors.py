"""The kernels: every bad input and its message."""

import numpy as np
import pytest
from family_options import OPTIONS

from gradops import _kernels

IMAGES = np.zeros((2, 4, 5, 3), "float32")
ONES = np.ones(2, "float32")


def calls(images, *, y_true=None, upstream=ONES, **options):
    """Every function of the loss on these images."""
    y_true = images if y_true is None else y_true
    return [
        lambda: _kernels.loss(y_true, images, **options),
        lambda: _kernels.loss_memo(y_true, images, upstream, **options),
        lambda: _kernels.loss_grad(y_true, images, images, upstream, upstream, **options),
    ]


@pytest.mark.parametrize("shape", [(1, 4, 5, 3), (2, 5, 4, 3), (120,)])
def test_a_memo_or_output_of_another_shape_is_an_error(shape):
    other = np.zeros(shape, "float32")
    message = r"memo (and y_pred must have the same shape, got|must have rank 4 .*, got shape) \["
    with pytest.raises(ValueError, match=message):
        _kernels.loss_grad(IMAGES, IMAGES, other, ONES, ONES)
    with pytest.raises(ValueError, match=r"memo must have shape \[2,4,5,3\], got \["):
        _kernels.loss_memo(IMAGES, IMAGES, ONES, memo=other)


def test_a_scalar_upstream_stands_for_one_per_example():
    images = np.random.default_rng(7).normal(size=(2, *IMAGES.shape)).astype("float32")
    scalar = np.full((), 3, "float32")
    results = [_kernels.loss_memo(*images, upstream) for upstream in (3 * ONES, scalar)]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("option", ["stencil", "penalty", "response", "border", "scale"])
def test_an_unknown_value_of_an_option_is_an_error_that_lists_the_known_ones(option):
    for value in ("", "L1", "no such thing"):
        message = f"{option} must be one of .*got '{value}'"
        for call in calls(IMAGES, **{option: value}):
            with pytest.raises(ValueError, match=message) as caught:
                call()
            assert all(repr(name) in str(caught.value) for name in OPTIONS[option])


def test_an_unknown_option_is_an_error():
    for call in calls(IMAGES, penalti="l1"):
        with pytest.raises(ValueError, match="unknown option 'penalti'"):
            call()


@pytest.mark.parametrize("dtype", ["uint16", "int32", "uint8", "complex64", ">f4", "object"])
def test_images_of_another_dtype_are_an_error_that_names_it(dtype):
    images = np.zeros((2, 4, 5, 3), dtype)
    message = f"must be of dtype float16, bfloat16, float32, float64, got {dtype}"
    for call in calls(images):
        with pytest.raises(ValueError, match=f"^y_pred {message}$"):
            call()
    for call in calls(IMAGES, y_true=images):
        with pytest.raises(ValueError, match=f"^y_true must be of dtype float32, got {dtype}$"):
            call()
    with pytest.raises(ValueError, match=f"^images {message}$"):
        _kernels.image_gradients(images)
    with pytest.raises(ValueError, match=f"^upstream {message}$"):
        _kernels.image_gradients_adjoint(np.zeros((2, 4, 5, 3, 2), dtype))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_images_are_taken_as_they_are_or_as_bits_with_their_dtype(dtype):
    images = np.random.default_rng(7).normal(size=(2, *IMAGES.shape)).astype(dtype)
    upstream = ONES.astype("float64" if dtype == "float64" else "float32")
    wanted = _kernels.loss_memo(*images, upstream)
    assert wanted[1].dtype == dtype
    bits = f"uint{8 * images.itemsize}"
    found = _kernels.loss_memo(*images.view(bits), upstream, dtype=dtype)
    np.testing.assert_array_equal(found[0], wanted[0])
    assert found[1].dtype == bits
    np.testing.assert_array_equal(found[1].view(dtype), wanted[1])


def test_bits_need_their_dtype_and_its_size():
    images = np.zeros((2, *IMAGES.shape), "float16")
    with pytest.raises(ValueError, match="y_true must be of dtype float32, got uint16"):
        _kernels.loss(images.view("uint16")[0], IMAGES)
    with pytest.raises(ValueError, match="y_true must be of dtype float64, got float32"):
        _kernels.loss(IMAGES, IMAGES, dtype="float64")
    bits = np.zeros(IMAGES.shape, "uint16")  # half of what images of float32 take
    with pytest.raises(ValueError, match="y_true must be of dtype float32, got uint16"):
        _kernels.loss(bits, bits, dtype="float32")


def test_float32_and_float64_do_not_mix():
    wide = IMAGES.astype("float64")
    for call in [
        *calls(IMAGES, y_true=wide),
        *calls(wide, y_true=IMAGES),
        *calls(wide)[1:],  # with a float32 upstream
        *calls(IMAGES, upstream=ONES.astype("float64"))[1:],
        lambda: _kernels.loss_memo(IMAGES, IMAGES, ONES, memo=wide),
        lambda: _kernels.loss_grad(IMAGES, IMAGES, wide, ONES, ONES),
    ]:
        with pytest.raises(
            ValueError, match=r"must be of dtype float(32, got float64|64, got float32)"
        ):
            call()


@pytest.mark.parametrize(
    "rearranged",
    [
        np.asfortranarray(IMAGES),
        IMAGES[:, ::-1],
        IMAGES[..., ::-1],
        np.zeros((2, 4, 5, 6), "float32")[..., ::2],
        np.zeros((2, 4, 6, 3), "float32")[:, :, :5],
        np.broadcast_to(IMAGES[:1], IMAGES.shape),
        np.moveaxis(np.zeros((2, 3, 4, 5), "float32"), 1, -1),
    ],
    ids=["fortran", "upside down", "reversed", "every other", "cropped", "broadcast", "transposed"],
)
def test_images_that_are_not_dense_are_an_error(rearranged):
    for call in [
        *calls(rearranged),
        *calls(IMAGES, y_true=rearranged),
        lambda: _kernels.loss_memo(IMAGES, IMAGES, ONES, memo=rearranged),
        lambda: _kernels.loss_grad(IMAGES, IMAGES, rearranged, ONES, ONES),
        lambda: _kernels.image_gradients(rearranged),
        lambda: _kernels.loss_memo(IMAGES, IMAGES, np.ones(4, "float32")[::2]),
    ]:
        with pytest.raises(ValueError, match=r"must be dense and row-major, got strides \("):
            call()


def test_what_is_no_array_is_an_error_that_says_so():
    for call in calls(IMAGES.tolist()):
        with pytest.raises(ValueError, match="must be a NumPy array, got <class 'list'>"):
            call()
    with pytest.raises(ValueError, match="loss_grad needs expected"):
        _kernels.loss_grad(IMAGES, IMAGES)
    with pytest.raises(ValueError, match="image_gradients takes 2 arrays, got 3"):
        _kernels.image_gradients(IMAGES, np.zeros((*IMAGES.shape, 2), "float32"), IMAGES)


def test_an_output_that_is_read_only_is_an_error():
    out = IMAGES.copy()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="memo must be writeable"):
        _kernels.loss_memo(IMAGES, IMAGES, ONES, memo=out)
