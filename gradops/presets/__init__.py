"""Losses of papers and well-known repositories, each a function and a Keras loss."""

from gradops.presets._keras import PresetLoss, PresetMetric
from gradops.presets.alignment import align_scale_and_shift
from gradops.presets.depth import DenseDepthEdgesLoss, HuLoss, dense_depth_edges, hu_loss
from gradops.presets.gradient_matching import (
    MegaDepthGradientLoss,
    MiDaSGradientLoss,
    megadepth_gradient_matching,
    midas_gradient_matching,
)
from gradops.presets.laplacian import MPRNetEdgeLoss, mprnet_edge
from gradops.presets.magnitude import MeanMagnitudeLoss, mean_magnitude
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
    edge_aware_smoothness,
    total_variation,
)
from gradops.presets.variance import GradientVarianceLoss, gradient_variance
from gradops.presets.zoedepth import ZoeDepthGradL1Loss, zoedepth_grad_l1

__all__ = [
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
    "MeanMagnitudeLoss",
    "MegaDepthGradientLoss",
    "MiDaSGradientLoss",
    "PixelGradientLoss",
    "PresetLoss",
    "PresetMetric",
    "SPSRGradientLoss",
    "TotalVariationLoss",
    "ZoeDepthGradL1Loss",
    "align_scale_and_shift",
    "dense_depth_edges",
    "edge_aware_smoothness",
    "gmsd",
    "gradient_difference",
    "gradient_variance",
    "hu_loss",
    "mean_magnitude",
    "megadepth_gradient_matching",
    "midas_gradient_matching",
    "mprnet_edge",
    "ms_gmsd",
    "pixel_and_gradient",
    "spsr_gradient",
    "total_variation",
    "zoedepth_grad_l1",
]
