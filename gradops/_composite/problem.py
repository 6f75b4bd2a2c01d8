"""What the functions of the loss share: checked inputs and sums over residuals."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from gradops._composite import checks, support
from gradops._composite.penalties import penalty_of
from gradops._composite.responses import RESPONSES
from gradops._composite.stencils import Pair, sobel_edges, stencil_of
from gradops._inputs.checks import Options
from gradops._inputs.tensors import Inputs, is_absent, loss_dtype


class Problem:
    """Two images, or one, with the options of a loss."""

    def __init__(self, inputs: Inputs, options: Options):
        self._stencil = stencil_of(options)
        self._rho = penalty_of(options)
        self._is_component = options["response"] == "component"
        self._response = RESPONSES[options["response"]]
        self._response_epsilon = float(options["response_epsilon"] or 0)
        data_format = self._stencil.data_format
        p, t = checks.check_images("y_pred", inputs.y_pred, self._stencil), None
        if not is_absent(inputs.y_true):
            t, p = checks.check_target(inputs.y_true, p, data_format)
        self._mask = checks.check_mask(inputs.mask, p, data_format)
        self._weights = checks.check_weights(inputs.weights, p, data_format)
        dtype = loss_dtype(p.dtype)
        self._p = tf.cast(p, dtype)
        self._t = None if t is None else tf.cast(t, dtype)
        self._counted = support.counted(
            self._stencil, self._response.joint, self._mask, tf.shape(self._p)
        )
        # A weight of 0 drops a residual, as the mask does.
        self._weighted = None if self._weights is None else self._weights > 0
        y, x = self._counted
        self._flags = support.both(y, self._weighted), support.both(x, self._weighted)

    def is_difference_of_sobel_edges(self) -> bool:
        """Whether `mean_of_sobel_edges` is defined."""
        plain = self._mask is None and self._weights is None
        filled = self._p.shape.num_elements() != 0  # tf.image.sobel_edges rejects empty images.
        return plain and filled and self._is_component and self._stencil.is_sobel_edges()

    def mean_of_sobel_edges(self) -> tf.Tensor:
        """The mean of rho(r) over all residuals, [B], the way users write it."""
        residuals = sobel_edges(self._p)
        if self._t is not None:
            residuals -= sobel_edges(self._t)
        return tf.reduce_mean(self._rho(residuals), axis=[1, 2, 3, 4])

    def counts(self) -> tf.Tensor:
        """The sums of w over the counted residuals of each example and axis, [B, K]."""
        return self._totals(self._flags, self._weights)

    def numbers(self) -> tf.Tensor:
        """The numbers of residuals that mask and border leave, whatever their weights, [B, K]."""
        return self._totals(self._counted, None)

    def sums(self, examples: tf.Tensor | None = None) -> tf.Tensor:
        """The sums of w rho(r) over the counted residuals of each example and axis, [B, K].

        Uses only residuals of `examples` (bool, [B] or a scalar; None: all). A NaN or Inf in the
        others changes nothing.
        """
        terms = self.terms(examples)
        return tf.stack([tf.reduce_sum(each, axis=[1, 2, 3]) for each in terms], axis=1)

    def terms(self, examples: tf.Tensor | None = None) -> list[tf.Tensor]:
        """K images of w rho(r), 0 where a residual does not count. For `examples`, see `sums`."""
        y, x = self._flags
        if examples is not None:
            examples = tf.reshape(examples, [-1, 1, 1, 1])
            y, x = support.both(y, examples), support.both(x, examples)
        p = support.keep(self._mask, self._p)
        t = None if self._t is None else support.keep(self._mask, self._t)
        if self._response.linear and t is not None:  # Takes the stencil of the difference.
            p, t = p - t, None
        gradients = self._gradients(p, (y, x)), self._gradients(t, (y, x))
        residuals = self._response.residuals(*gradients, self._response_epsilon)
        # A joint response has one residual, which zip pairs with y; y and x are the same then.
        return [self._term(r, flags) for r, flags in zip(residuals, (y, x), strict=False)]

    def has_weights(self) -> bool:
        return self._weights is not None

    def pixels(self) -> tf.Tensor:
        """The sum of w over the valid pixels and channels of each example, [B]."""
        return support.total_weight(self._mask, self._weights, self._p)

    def pixel_number(self) -> tf.Tensor:
        """The number of valid pixels and channels of each example, [B]."""
        return support.total_weight(self._mask, None, self._p)

    def pixel_sums(self) -> tf.Tensor:
        """The sum of w |p - t| over the valid pixels and channels of each example, [B]."""
        kept = support.both(self._mask, self._weighted)
        differences = self._p if self._t is None else self._p - self._t
        terms = tf.abs(support.keep(kept, differences))
        if self._weights is not None:
            terms *= self._weights
        return tf.reduce_sum(terms, axis=[1, 2, 3])

    def _totals(self, flags: support.FlagsPair, weights: tf.Tensor | None) -> tf.Tensor:
        kept = flags[:1] if self._response.joint else flags
        return tf.stack([support.total_weight(each, weights, self._p) for each in kept], axis=1)

    def _gradients(self, images: tf.Tensor | None, flags: support.FlagsPair) -> Pair:
        """(gy, gx) where they count and 0 elsewhere; scalar zeros for an absent image."""
        if images is None:
            return (tf.zeros([], self._p.dtype),) * 2
        gy, gx = self._stencil.gradients(images)
        return support.keep(flags[0], gy), support.keep(flags[1], gx)

    def _term(self, residual: tf.Tensor, kept: support.Flags) -> tf.Tensor:
        terms = self._rho(residual)
        if self._weights is not None:
            terms *= self._weights
        return support.keep(kept, terms)


def _mean_over_batch(problem: Problem) -> tf.Tensor:
    counts = problem.counts()
    return tf.reduce_sum(counts) / tf.cast(tf.shape(counts)[0], counts.dtype)


# Normalizer -> problem -> what the sum of an example is divided by, [B] or a scalar.
NORMALIZERS: dict[str, Callable[[Problem], tf.Tensor]] = {
    "residuals": lambda problem: tf.reduce_sum(problem.counts(), axis=1),
    "pixels": Problem.pixels,
    "batch": _mean_over_batch,
    "residual_count": lambda problem: tf.reduce_sum(problem.numbers(), axis=1),
    "pixel_count": Problem.pixel_number,
}
