"""Sample weights and masks of Keras, which may be of examples or of pixels."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from gradops._inputs import convert
from gradops._inputs.same_shape import equal_size
from gradops._inputs.tensors import shape_error, shape_text, with_assert


def route(
    sample_weight: Any, y_pred: tf.Tensor, data_format: str
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """(weights of examples, which Keras applies, weights of pixels), of which at least one is None.

    Keras would multiply the [B] losses with weights of pixels, which fit by accident if W == B.
    """
    if sample_weight is None:
        return None, None
    weights = convert.tensor("sample_weight", sample_weight)
    if weights.shape.rank is None:
        return _route_by_rank_at_run_time(weights, y_pred, data_format)
    return by_rank("sample_weight", weights, y_pred.shape.rank or 4, data_format)


def by_rank(
    argument: str, values: tf.Tensor, of_images: int, data_format: str
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """(values of examples, values of pixels), of which one is None; `of_images` is a rank.

    Those of examples may have a last axis of 1, and those of pixels may lack the axis of
    channels.
    """
    rank = values.shape.rank
    if rank is not None:
        if rank <= of_images - 3 or (rank == of_images - 2 and values.shape[-1] == 1):
            return values, None
        if rank == of_images - 1:
            return None, tf.expand_dims(values, -1 if data_format == "channels_last" else -3)
        if rank == of_images:
            return None, values
    raise ValueError(f"{_ranks_message(argument, of_images)}, got {rank_or_shape(values)}")


def _route_by_rank_at_run_time(
    weights: tf.Tensor, y_pred: tf.Tensor, data_format: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """The same if a graph does not know the rank: both weights, of which one is all ones."""
    sizes, shape = tf.shape(weights), tf.shape(y_pred)
    rank, of_images = tf.size(sizes), y_pred.shape.rank or 4
    good = (rank <= of_images - 3) | tf.equal(rank, of_images - 1) | tf.equal(rank, of_images)
    good |= tf.equal(rank, of_images - 2) & tf.reduce_all(tf.equal(sizes[-1:], 1))
    message = _ranks_message("sample_weight", of_images)
    check = tf.debugging.Assert(good, [f"{message}, got shape", sizes])
    weights, sizes = with_assert(check, weights), with_assert(check, sizes)
    channels = of_images - 1 if data_format == "channels_last" else of_images - 3
    of_pixels = rank >= of_images - 1
    by_example = tf.cond(
        of_pixels,
        lambda: tf.ones(shape[:-3], weights.dtype),
        lambda: like_losses("sample_weight", tf.zeros(shape[:-3]), weights),
    )
    with_channels = tf.cond(
        tf.equal(rank, of_images),
        lambda: sizes,
        lambda: tf.concat([sizes[:channels], [1], sizes[channels:]], axis=0),
    )
    one_channel = tf.concat([shape[:channels], [1], shape[channels + 1 :]], axis=0)
    by_pixel = tf.cond(
        of_pixels,
        lambda: tf.reshape(weights, with_channels),
        lambda: tf.ones(one_channel, weights.dtype),
    )
    by_example = tf.ensure_shape(by_example, y_pred.shape[:-3])
    return by_example, tf.ensure_shape(by_pixel, [None] * of_images)


def _ranks_message(argument: str, of_images: int) -> str:
    examples = "1 [B]" if of_images == 4 else f"1 to {of_images - 3} [B, ...]"
    pixels = "[B, H, W]" if of_images == 4 else "[B, ..., H, W]"
    return (
        f"{argument} must have rank {examples} for examples, maybe with a last axis of 1, or "
        f"{of_images - 1} {pixels} or {of_images} (with 1 or C channels) for pixels"
    )


def rank_or_shape(values: tf.Tensor) -> str:
    """The shape as errors write it; its rank may be unknown."""
    return "an unknown rank" if values.shape.rank is None else f"shape {shape_text(values.shape)}"


def weights_of(losses: tf.Tensor, sample_weight: Any) -> tf.Tensor | None:
    """Sample weights in the shape of the losses [B, ...], or a scalar.

    They may lack axes at the end, or have one more of size 1, as Keras allows.

    Raises:
      ValueError: If they have another rank, or in a graph another shape.
      tf.errors.InvalidArgumentError: If they have another shape.
    """
    if sample_weight is None:
        return None
    weights = convert.tensor("sample_weight", sample_weight)
    return weights if weights.shape.rank == 0 else like_losses("sample_weight", losses, weights)


def like_losses(argument: str, losses: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Values [B, ...], broadcast to the losses, which may have more axes."""
    rank, of_losses = values.shape.rank, losses.shape.rank or 1
    if rank is None:
        return _like_losses_of_unknown_rank(argument, losses, values)
    if rank == of_losses + 1 and values.shape[-1] == 1:
        values, rank = tf.squeeze(values, -1), of_losses
    if rank > of_losses or rank == 0:
        axes = "[B]" if of_losses == 1 else f"[B] or the {of_losses} axes of the losses"
        raise ValueError(f"{argument} must have shape {axes}, got {shape_text(values.shape)}")
    if losses.shape.rank is None:
        return values
    message = f"{argument} must be [B], or have axes of losses that may be 1 after B"
    fits = [
        None in (size, wanted) or size == wanted or (axis > 0 and size == 1)
        for axis, (size, wanted) in enumerate(zip(values.shape, losses.shape[:rank], strict=True))
    ]
    if not all(fits):
        both = f"{shape_text(values.shape)} for losses {shape_text(losses.shape)}"
        raise shape_error(f"{message}, got {both}")
    # The batch axis must not be broadcast: one weight for three examples would pass, and vice
    # versa.
    if None in (values.shape[0], losses.shape[0]):
        sizes, wanted = tf.shape(values), tf.shape(losses)
        good = tf.equal(sizes[0], wanted[0])
        check = tf.debugging.Assert(good, [f"{message}, got", sizes, "for losses", wanted])
        sizes = with_assert(check, sizes)
        first = equal_size(sizes[0], wanted[0])
        values = tf.reshape(values, tf.concat([[first], sizes[1:]], axis=0))
    if losses.shape.rank == 1:
        return values
    missing = [1] * (losses.shape.rank - rank)
    shape = tf.concat([tf.shape(values), missing], axis=0)
    return tf.broadcast_to(tf.reshape(values, shape), tf.shape(losses))


def _like_losses_of_unknown_rank(argument: str, losses: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """The same if the rank is known only when the graph runs, as in some input pipelines."""
    sizes, wanted = tf.shape(values), tf.shape(losses)
    rank, of_losses = tf.size(sizes), tf.size(wanted)
    kept, rest = sizes[:of_losses], sizes[of_losses:]
    shape = tf.concat([kept, tf.ones([tf.maximum(of_losses - rank, 0)], tf.int32)], axis=0)
    good = tf.reduce_all(tf.equal(rest, 1)) & (rank <= of_losses + 1)
    good &= tf.reduce_all(tf.equal(kept[:1], wanted[:1]))
    least = tf.minimum(rank, of_losses)
    good &= tf.reduce_all(tf.equal(kept, wanted[:least]) | tf.equal(kept, 1))
    message = f"{argument} must be [B], or have axes of losses that may be 1 after B, got"
    check = tf.debugging.Assert(good, [message, sizes, "for losses", wanted])
    values = tf.reshape(with_assert(check, values), with_assert(check, shape))
    return tf.ensure_shape(tf.broadcast_to(values, wanted), losses.shape)
