"""What the functions of the loss share: checked inputs and sums over residuals."""

from __future__ import annotations

import functools
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
        self._given_weights = checks.check_weights(inputs.weights, p, data_format)
        dtype = loss_dtype(p.dtype)
        self._p = tf.cast(p, dtype)
        self._t = None if t is None else tf.cast(t, dtype)
        self._counted = support.counted(
            self._stencil, self._response.joint, self._mask, tf.shape(self._p)
        )

    def is_difference_of_sobel_edges(self) -> bool:
        """Whether `mean_of_sobel_edges` is defined."""
        plain = self._mask is None and self._given_weights is None
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
        return self._totals(self._counted, self._weights)

    def given_counts(self) -> tf.Tensor:
        """The same, with derivative 1 by every weight of a counted residual."""
        return self._totals(self._counted, self._given_weights)

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
        y, x = self._counted
        if examples is not None:
            examples = tf.reshape(examples, [-1, 1, 1, 1])
            y, x = support.both(y, examples), support.both(x, examples)
        if self._given_weights is None:
            return self._penalized(self._gradients, (y, x))
        # Where v is a number but a gradient is not (a truncated Inf), v is a constant.
        used = self._is_used
        finite_y, finite_x = (tf.greater(self._given_weights, 0) | f for f in self._finite())
        y, x = support.both(y, used), support.both(x, used)
        linked = support.both(y, finite_y), support.both(x, finite_x)
        return [
            self._weights * support.keep(flags, tf.where(finite, value, constant))
            for flags, finite, value, constant in zip(
                (y, x),
                (finite_y, finite_x),
                self._penalized(self._gradients, linked),
                self._constants,
                strict=False,
            )
        ]

    def has_weights(self) -> bool:
        return self._given_weights is not None

    def pixels(self) -> tf.Tensor:
        """The sum of w over the valid pixels and channels of each example, [B]."""
        return support.total_weight(self._mask, self._weights, self._p)

    def pixel_number(self) -> tf.Tensor:
        """The number of valid pixels and channels of each example, [B]."""
        return support.total_weight(self._mask, None, self._p)

    def pixel_sums(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The sums of w |p - t| and of w over the valid pixels and channels of an example, [B]."""
        differences = self._p if self._t is None else self._p - self._t
        kept, weights = self._mask, self._given_weights
        if weights is not None:
            used = self._has_number(tf.abs(support.keep(kept, tf.stop_gradient(differences))))
            weights, kept = support.keep(used, weights), support.both(kept, used)
        terms = tf.abs(support.keep(kept, differences))
        if weights is not None:
            terms *= weights
        totals = support.total_weight(self._mask, weights, self._p)
        return tf.reduce_sum(terms, axis=[1, 2, 3]), totals

    @functools.cached_property
    def _gradients(self) -> tuple[Pair, Pair]:
        """(gy, gx) of p and of t, scalar zeros for an absent image."""
        p = support.keep(self._mask, self._p)
        zeros = (tf.zeros([], p.dtype),) * 2
        if self._t is None:
            return self._stencil.gradients(p), zeros
        t = support.keep(self._mask, self._t)
        if self._response.linear:  # Takes the stencil of the difference.
            return self._stencil.gradients(p - t), zeros
        return self._stencil.gradients(p), self._stencil.gradients(t)

    def _penalized(self, gradients: tuple[Pair, Pair], flags: support.FlagsPair) -> list[tf.Tensor]:
        """K images of rho(r), 0 where the flags are False, whatever the gradients are there."""
        (p_y, p_x), t = gradients
        p = support.keep(flags[0], p_y), support.keep(flags[1], p_x)
        if t[0].shape.rank != 0:
            t = support.keep(flags[0], t[0]), support.keep(flags[1], t[1])
        residuals = self._response.residuals(p, t, self._response_epsilon)
        # A joint response has one residual, which zip pairs with y; y and x are the same then.
        values = zip(residuals, flags, strict=False)
        return [support.keep(each, self._rho(r)) for r, each in values]

    # At w = 0 a residual changes neither the loss nor a gradient by the images. The derivative by w
    # is made of v, the sum of rho over the residuals of w, and 0 unless v is a finite number.

    @functools.cached_property
    def _constants(self) -> list[tf.Tensor]:
        """K images of rho(r) as constants."""
        p, t = ((tf.stop_gradient(gy), tf.stop_gradient(gx)) for gy, gx in self._gradients)
        return self._penalized((p, t), self._counted)

    @functools.cached_property
    def _is_used(self) -> tf.Tensor:
        """Where w > 0 or v is finite."""
        return self._has_number(tf.add_n(self._constants))

    @functools.cached_property
    def _weights(self) -> tf.Tensor | None:
        """The weights, with derivative 0 where they are not used."""
        weights = self._given_weights
        return None if weights is None else support.keep(self._is_used, weights)

    def _has_number(self, values: tf.Tensor) -> tf.Tensor:
        """Where w > 0 or the sum of the values that w multiplies is finite."""
        channels = self._stencil.axes[2]
        shared = tf.equal(tf.shape(self._given_weights)[channels], 1)
        of_all = tf.reduce_sum(values, axis=channels, keepdims=True)
        is_finite = tf.math.is_finite(tf.where(shared, of_all, values))
        return tf.greater(self._given_weights, 0) | is_finite

    def _finite(self) -> Pair:
        """Where the gradients that residuals of (gy, gx) are made of are finite."""
        (p_y, p_x), (t_y, t_x) = self._gradients
        y = tf.math.is_finite(p_y) & tf.math.is_finite(t_y)
        x = tf.math.is_finite(p_x) & tf.math.is_finite(t_x)
        return (y & x, y & x) if self._response.joint else (y, x)

    def _totals(self, flags: support.FlagsPair, weights: tf.Tensor | None) -> tf.Tensor:
        kept = flags[:1] if self._response.joint else flags
        return tf.stack([support.total_weight(each, weights, self._p) for each in kept], axis=1)


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
