"""docs/conventions.md: which options give the derivatives of other libraries."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from op_tools import images

import gradops


@pytest.fixture
def image(rng):
    """[1, 11, 9, 3] in float32."""
    return images(rng, (1, 11, 9, 3), "float32")[0]


def derivatives(image, **options):
    """(dy, dx) as [H, W, C] arrays."""
    found = gradops.image_gradients(image, **options).numpy()[0]
    return found[..., 0], found[..., 1]


def assert_equal(theirs, ours):
    for one, other in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-5, atol=1e-5)


def test_tensorflow(image):
    edges = tf.image.sobel_edges(image)[0]
    assert_equal((edges[..., 0], edges[..., 1]), derivatives(image))
    dy, dx = tf.image.image_gradients(image)
    assert_equal((dy[0], dx[0]), derivatives(image, stencil="forward"))


def test_keras_on_tensorflow(image):
    edges = keras.ops.image.sobel_edges(image)[0]
    assert_equal((edges[..., 0], edges[..., 1]), derivatives(image))


@pytest.mark.extended
def test_kornia(image):
    torch = pytest.importorskip("torch")
    kornia = pytest.importorskip("kornia")
    tensor = torch.from_numpy(np.moveaxis(image.numpy(), 3, 1).copy())
    found = np.moveaxis(kornia.filters.spatial_gradient(tensor).numpy()[0], 0, -1)
    unit = dict(scale="unit", border="replicate")
    assert_equal((found[1], found[0]), derivatives(image, **unit))
    magnitude = np.moveaxis(kornia.filters.sobel(tensor).numpy(), 1, 3)
    ours = gradops.gradient_magnitude(image, response_epsilon=1e-6, **unit)
    np.testing.assert_allclose(magnitude, ours, rtol=1e-5, atol=1e-5)


@pytest.mark.extended
@pytest.mark.parametrize("name", ["Sobel", "Scharr"])
def test_opencv(image, name):
    cv2 = pytest.importorskip("cv2")
    borders = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE}
    for border, theirs in {**borders, "zero": cv2.BORDER_CONSTANT}.items():
        call = getattr(cv2, name)
        found = [
            call(image[0].numpy(), cv2.CV_32F, *d, borderType=theirs) for d in ((0, 1), (1, 0))
        ]
        assert_equal(found, derivatives(image, stencil=name.lower(), border=border))


@pytest.mark.extended
@pytest.mark.parametrize("stencil", ["sobel", "prewitt"])
def test_scipy(image, stencil):
    ndimage = pytest.importorskip("scipy.ndimage")
    modes = {"mirror": "reflect", "reflect": "replicate", "nearest": "replicate"}
    for mode, border in {**modes, "constant": "zero", "wrap": "circular"}.items():
        call = getattr(ndimage, stencil)  # smooths along all other axes: a channel at a time
        channel = image[0, ..., 0].numpy()
        found = [call(channel, axis=axis, mode=mode) for axis in (0, 1)]
        ours = derivatives(image[..., :1], stencil=stencil, border=border)
        assert_equal(found, [each[..., 0] for each in ours])


@pytest.mark.extended
@pytest.mark.parametrize("stencil", ["sobel", "prewitt", "scharr"])
def test_scikit_image(image, stencil):
    """A ramp of slope 1 has 2 there: what two pixels differ by."""
    filters = pytest.importorskip("skimage.filters")
    channel = image[0, ..., 0].numpy()
    found = [getattr(filters, f"{stencil}_{axis}")(channel) for axis in "hv"]
    ours = derivatives(image[..., :1], stencil=stencil, scale="unit", border="replicate")
    assert_equal(found, [2 * each[..., 0] for each in ours])


@pytest.mark.extended
@pytest.mark.parametrize("scale", ["raw", "unit"])
def test_monai(image, scale):
    torch = pytest.importorskip("torch")
    transforms = pytest.importorskip("monai.transforms")
    tensor = torch.from_numpy(np.moveaxis(image[0].numpy(), 2, 0).copy())
    borders = {"reflect": "reflect", "replicate": "replicate", "zeros": "zero"}
    for mode, border in {**borders, "circular": "circular"}.items():
        call = transforms.SobelGradients(normalize_kernels=scale == "unit", padding_mode=mode)
        found = np.moveaxis(np.asarray(call(tensor)), 0, 2)
        ours = derivatives(image, scale=scale, border=border)
        assert_equal((found[..., :3], found[..., 3:]), ours)


@pytest.mark.extended
def test_torchmetrics(image):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.image")
    tensor = torch.from_numpy(np.moveaxis(image.numpy(), 3, 1).copy())
    found = [np.moveaxis(x.numpy()[0], 0, 2) for x in functional.image_gradients(tensor)]
    assert_equal(found, derivatives(image, stencil="forward"))
