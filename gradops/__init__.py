"""Fused image-gradient losses for TensorFlow.

    loss = gradops.SobelLoss()                                   a keras.losses.Loss
    gradops.gradient_loss(y_true, y_pred) -> [B]                 the same as a function
    gradops.value_and_gradient(y_true, y_pred)                   loss and gradient in one pass
    gradops.sobel_edges(images)                                  tf.image.sobel_edges, fused
    gradops.composite, gradops.reference                         the same in TensorFlow and in NumPy
    gradops.build_info()                                         what is installed and what runs

Importing gradops registers its ops, so saved models that use them load.
"""

from gradops import _library, reference
from gradops._info import build_info

__version__ = build_info()["version"]
__all__ = ["__version__", "build_info", "reference"]

if _library.tensorflow_build_version():
    _library.check_tensorflow()
    from gradops import composite
    from gradops.functional import gradient_loss, sobel_edges, value_and_gradient
    from gradops.losses import GradientLoss, SobelLoss

    __all__ += [
        "GradientLoss",
        "SobelLoss",
        "composite",
        "gradient_loss",
        "sobel_edges",
        "value_and_gradient",
    ]
else:

    def __getattr__(name: str) -> object:
        raise AttributeError(
            f"gradops has no {name!r}: it was built without TensorFlow (GRADOPS_TF=OFF), so it "
            "offers build_info, reference and the kernels alone"
        )
