"""Reference implementation: NumPy, float64, plain and slow, written from the definition.

    L_b = sum_i w_i rho(r_i) / D_b

over the counted residuals r_i of example b, which a response makes from the image gradients S p_b
and S t_b. `stencils` has S and its adjoint, `responses` r, `penalties` rho, `support` what counts,
and `problem` derivatives and D_b. The public functions are in `losses`, `weights`, `images` and
`scales`. Each module begins with its formula.

This package shares no code with the kernels or with `gradops.composite`; it types its own tables.
"""

from gradops.reference.arguments import DATA_FORMATS
from gradops.reference.images import (
    gradient_magnitude,
    gradient_magnitude_gradient,
    image_gradients,
    image_gradients_adjoint,
    sobel_edges,
)
from gradops.reference.losses import (
    gradient_loss,
    gradient_sums,
    hessian_vector_product,
    loss_gradients,
    sums_gradients,
)
from gradops.reference.penalties import PENALTIES
from gradops.reference.problem import NORMALIZERS
from gradops.reference.responses import RESPONSES
from gradops.reference.scales import (
    DOWNSAMPLES,
    multi_scale_gradients,
    multi_scale_loss,
    multi_scale_weights_gradient,
)
from gradops.reference.stencils import BORDERS, SCALES, STENCILS
from gradops.reference.weights import sums_weights_gradients, weights_gradient

__all__ = [
    "BORDERS",
    "DATA_FORMATS",
    "DOWNSAMPLES",
    "NORMALIZERS",
    "PENALTIES",
    "RESPONSES",
    "SCALES",
    "STENCILS",
    "gradient_loss",
    "gradient_magnitude",
    "gradient_magnitude_gradient",
    "gradient_sums",
    "hessian_vector_product",
    "image_gradients",
    "image_gradients_adjoint",
    "loss_gradients",
    "multi_scale_gradients",
    "multi_scale_loss",
    "multi_scale_weights_gradient",
    "sobel_edges",
    "sums_gradients",
    "sums_weights_gradients",
    "weights_gradient",
]
