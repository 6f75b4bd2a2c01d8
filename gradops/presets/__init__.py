"""Losses of papers and well-known repositories, each a function and a Keras loss."""

from gradops.presets._keras import PresetLoss, PresetMetric
from gradops.presets.alignment import align_scale_and_shift
from gradops.presets.confidence import ConfidenceWeightedLoss, confidence_weighted
from gradops.presets.depth import DenseDepthEdgesLoss, HuLoss, dense_depth_edges, hu_loss
from gradops.presets.derivatives import MultiscaleDerivativeLoss, multiscale_derivative
from gradops.presets.gradient_matching import (
    MegaDepthGradientLoss,
    MiDaSGradientLoss,
    megadepth_gradient_matching,
    midas_gradient_matching,
)
from gradops.presets.laplacian import MPRNetEdgeLoss, mprnet_edge
from gradops.presets.magnitude import MeanMagnitudeLoss, mean_magnitude
from gradops.presets.matting import (
    MattingGradientLoss,
    MattingGradientMetric,
    matting_gradient_error,
)
from gradops.presets.pixel import PixelGradientLoss, pixel_and_gradient
from gradops.presets.quality import (
    GMSDLoss,
    GMSDMetric,
    MSGMSDLoss,
    MSGMSDMetric,
    gmsd,
    ms_gmsd,
)
from gradops.presets.restoration import (
    GradientDifferenceLoss,
    SPSRGradientLoss,
    gradient_difference,
    spsr_gradient,
)
from gradops.presets.smoothness import (
    EdgeAwareSmoothnessLoss,
    TotalVariationLoss,
    VoxelMorphGradLoss,
    edge_aware_smoothness,
    total_variation,
    voxelmorph_grad,
)
from gradops.presets.variance import GradientVarianceLoss, gradient_variance
from gradops.presets.zoedepth import ZoeDepthGradL1Loss, zoedepth_grad_l1

__all__ = [
    "ConfidenceWeightedLoss",
    "DenseDepthEdgesLoss",
    "EdgeAwareSmoothnessLoss",
    "GMSDLoss",
    "GMSDMetric",
    "GradientDifferenceLoss",
    "GradientVarianceLoss",
    "HuLoss",
    "MPRNetEdgeLoss",
    "MSGMSDLoss",
    "MSGMSDMetric",
    "MattingGradientLoss",
    "MattingGradientMetric",
    "MeanMagnitudeLoss",
    "MegaDepthGradientLoss",
    "MiDaSGradientLoss",
    "MultiscaleDerivativeLoss",
    "PixelGradientLoss",
    "PresetLoss",
    "PresetMetric",
    "SPSRGradientLoss",
    "TotalVariationLoss",
    "VoxelMorphGradLoss",
    "ZoeDepthGradL1Loss",
    "align_scale_and_shift",
    "confidence_weighted",
    "dense_depth_edges",
    "edge_aware_smoothness",
    "gmsd",
    "gradient_difference",
    "gradient_variance",
    "hu_loss",
    "matting_gradient_error",
    "mean_magnitude",
    "megadepth_gradient_matching",
    "midas_gradient_matching",
    "mprnet_edge",
    "ms_gmsd",
    "multiscale_derivative",
    "pixel_and_gradient",
    "spsr_gradient",
    "total_variation",
    "voxelmorph_grad",
    "zoedepth_grad_l1",
]
