"""Fused image-gradient losses for TensorFlow.

    loss = gradops.SobelLoss()                                   a keras.losses.Loss
    metric = gradops.SobelMetric()                               its mean over an epoch
    gradops.gradient_loss(y_true, y_pred) -> [B]                 the same as a function
    gradops.value_and_gradient(y_true, y_pred)                   loss and gradient in one pass
    gradops.gradient_sums(y_true, y_pred)                        sums and counts, undivided
    gradops.image_gradients(images), gradops.gradient_magnitude(images), gradops.sobel_edges(images)
    gradops.PerceptualGradientLoss(gradops.vgg_features())       features of a network and gradients
    gradops.residual_map(y_true, y_pred)                         where the gradients differ
    gradops.optimize_image(initial, loss)                        descends a loss of the pixels
    gradops.presets                                              losses from papers and repositories
    gradops.composite, gradops.reference                         the same in TensorFlow and in NumPy
    gradops.build_info()                                         what is installed and what runs

Importing gradops registers its ops, so saved models that use them load. Where the op library does
not load, the losses are composed of TensorFlow's ops: see GRADOPS_BACKEND in docs/compatibility.md.
"""

import sys

from gradops import _backend, reference
from gradops._info import build_info

# Commands that serve where gradops cannot be imported as a whole, and find out why.
_is_repair = sys.argv[:1] == ["-m"] and any(
    words in " ".join(sys.orig_argv)
    for words in ("gradops build", "gradops doctor", "gradops self-test kernels")
)

__version__ = "" if _is_repair else build_info()["version"]
__all__ = ["__version__", "build_info", "reference"]

if not _is_repair and _backend.choice().name != "kernels only":
    from gradops import composite, presets
    from gradops._keras.names import register_public
    from gradops.functional import gradient_loss, gradient_sums, value_and_gradient
    from gradops.images import gradient_magnitude, image_gradients, residual_map, sobel_edges
    from gradops.losses import GradientLoss, GradientMetric, SobelLoss, SobelMetric
    from gradops.optimize import optimize_image
    from gradops.perceptual import PerceptualGradientLoss
    from gradops.vgg import vgg_features

    __all__ += [
        "GradientLoss",
        "GradientMetric",
        "PerceptualGradientLoss",
        "SobelLoss",
        "SobelMetric",
        "composite",
        "gradient_loss",
        "gradient_magnitude",
        "gradient_sums",
        "image_gradients",
        "optimize_image",
        "presets",
        "residual_map",
        "sobel_edges",
        "value_and_gradient",
        "vgg_features",
    ]
    for _module in (sys.modules[__name__], composite, presets):
        register_public(_module)
else:

    def __getattr__(name: str) -> object:
        raise AttributeError(
            f"gradops has no {name!r}: it was built without TensorFlow (GRADOPS_TF=OFF), so it "
            "offers build_info, reference and the kernels alone; GRADOPS_BACKEND=composite brings "
            "the losses composed of TensorFlow's ops"
        )
