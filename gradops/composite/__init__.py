"""The same losses composed from public TensorFlow ops: what users write today, and a peer.

    r = R(S_y p, S_x p) - R(S_y t, S_x t)                 residuals of a response R
    L_b = sum of w rho(r) / D_b                           over the counted residuals of example b

Gradients are TensorFlow's own, of any order. What differs from `gradops.reference`:

- The default stencil, border, scale and response without weights and mask, in channels_last, is
  `tf.image.sobel_edges`: a convolution that also multiplies its zero taps, so a NaN or Inf reaches
  more pixels. (Where a graph does not know B, the same convolution, which 0 images pass.)
- Second derivatives of NaN residuals are not always NaN.

The package shares no code with the kernels or with `gradops.reference`; it types its own tables.
"""

from gradops.composite.checks import DATA_FORMATS
from gradops.composite.images import gradient_magnitude, image_gradients, sobel_edges
from gradops.composite.losses import (
    REDUCTIONS,
    gradient_loss,
    gradient_sums,
    value_and_gradient,
)
from gradops.composite.penalties import PENALTIES
from gradops.composite.problem import NORMALIZERS
from gradops.composite.responses import RESPONSES
from gradops.composite.scales import DOWNSAMPLES
from gradops.composite.stencils import BORDERS, SCALES, STENCILS

__all__ = [
    "BORDERS",
    "DATA_FORMATS",
    "DOWNSAMPLES",
    "NORMALIZERS",
    "PENALTIES",
    "REDUCTIONS",
    "RESPONSES",
    "SCALES",
    "STENCILS",
    "gradient_loss",
    "gradient_magnitude",
    "gradient_sums",
    "image_gradients",
    "sobel_edges",
    "value_and_gradient",
]
