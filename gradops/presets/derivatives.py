"""The multi-scale derivative losses of Depth Pro."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops import _scales, functional
from gradops._inputs import checks
from gradops._inputs.convert import MaskLike, TensorLike
from gradops.presets import _images
from gradops.presets._keras import PresetLoss

#: Error -> its options of gradient_loss, and how many residuals a pixel has.
_ERRORS: dict[str, tuple[dict[str, str], int]] = {
    "mage": ({"stencil": "scharr", "penalty": "l1", "response": "component"}, 2),
    "male": ({"stencil": "laplace", "penalty": "l1", "response": "sum"}, 1),
    "msge": ({"stencil": "scharr", "penalty": "l2", "response": "component"}, 2),
}
ERRORS = tuple(_ERRORS)
_NORMALIZERS = {"image": "residuals", "batch": "batch"}


def multiscale_derivative(
    y_true: TensorLike,
    y_pred: TensorLike,
    *,
    error: str = "mage",
    scales: int = 6,
    scale: str = "raw",
    normalizer: str = "image",
    mask: MaskLike | None = None,
    data_format: str | None = None,
) -> tf.Tensor:
    """loss_b = mean_j (sum over pixels i of |N D_j(i)|^p) / N_j, D = y_pred - y_true.

    Level j = 0, 1, ... has the means of 2 x 2 pixels of the level before. N and p are those of the
    error: "mage" (mean absolute gradient error), |S_y D| + |S_x D| of Scharr derivatives S; "msge"
    (mean squared gradient error), (S_y D)^2 + (S_x D)^2; "male" (mean absolute Laplace error),
    |L D| of the Laplacian L of four neighbours. Derivatives that would read outside of the level
    are left out, and N_j is the number of pixels that have one. It is one fused loss of all scales.

    Args:
      y_true: Target inverse depth [B, H, W, C] (channels_first: [B, C, H, W]), C = 1 in Depth Pro.
      y_pred: Predictions of the same shape, float16, bfloat16, float32 or float64.
      error: "mage", "male" or "msge".
      scales: The number of levels, 1 to 16; the smallest must have 3 rows and columns, which are
        96 of the images for 6 scales.
      scale: "raw": the taps are integers, so that a ramp of slope 1 has a Scharr derivative of 32.
        "unit": it has 1.
      normalizer: "image": N_j counts the pixels of each image. "batch": N_j is the mean of that
        over the batch, so that the mean of the losses is a sum over the batch divided by a count
        over the batch.
      mask: True where a pixel is valid, bool, of the shape of y_pred or with one channel; others
        are not read and may be NaN. A mean of 2 x 2 pixels is valid if all of them are, and a
        derivative counts if it depends on valid ones alone. (N_j of Scharr derivatives is half the
        number of those in y and x then.)
      data_format: "channels_last" or "channels_first"; None means keras.config.image_data_format().

    Returns:
      Losses [B], float64 for float64 images, else float32; levels without derivatives add 0.

    Raises:
      ValueError: If an option is not one of those, or, in a graph, shapes do not fit or are too
        small.
      tf.errors.InvalidArgumentError: The same of shapes in eager mode, or where the graph did not
        know them.

    Example:
      >>> depth = tf.reshape(tf.range(256.0), [1, 16, 16, 1])
      >>> loss = gradops.presets.multiscale_derivative
      >>> loss(depth, 2 * depth, scales=1, scale="unit").numpy()
      array([17.], dtype=float32)
      >>> loss(depth, 2 * depth, error="male", scales=2).numpy()
      array([0.], dtype=float32)

    Source: Bochkovskii et al., Depth Pro: Sharp Monocular Metric Depth in Less Than a Second, ICLR
    2025, equation 2 with M = 6 scales. Its authors published no training code.
    """
    checks.choice("error", error, ERRORS)
    checks.options(scale=scale)
    _scales.check(scales, "average", None)
    checks.choice("normalizer", normalizer, _images.NORMALIZERS)
    _images.check_target(y_true)
    members, residuals = _ERRORS[error]
    options: dict[str, Any] = dict(members, border="valid", scale=scale, data_format=data_format)
    return functional.gradient_loss(
        y_true,
        y_pred,
        mask=mask,
        normalizer=_NORMALIZERS[normalizer],
        scales=scales,
        downsample="average",
        scale_weights=[residuals / scales] * scales,
        name="multiscale_derivative",
        **options,
    )


class MultiscaleDerivativeLoss(PresetLoss):
    """loss_b = mean_j (sum over pixels i of |N D_j(i)|^p) / N_j, D = y_pred - y_true.

    The Keras form of gradops.presets.multiscale_derivative.

    Args:
      mask: See gradops.presets.PresetLoss.
      mask_value: See gradops.presets.PresetLoss.
      reduction: See gradops.presets.PresetLoss.
      name: See gradops.presets.PresetLoss.
      dtype: See gradops.presets.PresetLoss.
      **options: error, scales, scale, normalizer and data_format of the function.

    Raises:
      ValueError: As the function, for options at construction.

    Example:
      >>> loss = gradops.presets.MultiscaleDerivativeLoss(error="msge", scales=3)
      >>> depth = tf.random.uniform([2, 32, 32, 1])
      >>> loss(depth, depth + 1).numpy().round(3)
      np.float32(0.0)

    Source: gradops.presets.multiscale_derivative.
    """

    function = staticmethod(multiscale_derivative)
