"""Images with more leading axes than the batch's one, as videos have: folded into it.

[B, ..., H, W, C] is a batch [N, H, W, C] to the ops, and what they return by example gets the
leading axes back.
"""

from __future__ import annotations

import math

import tensorflow as tf

from gradops._inputs.tensors import loss_dtype, shape_error, shape_text, with_assert

_IMAGE_AXES = 3  # channels_last or channels_first


def check_rank(argument: str, images: tf.Tensor) -> None:
    """Raises if images are known to lack an axis."""
    rank = images.shape.rank
    if rank is not None and rank <= _IMAGE_AXES:
        raise shape_error(
            f"{argument} must have rank 4 [B, H, W, C] or [B, C, H, W], or more, got shape "
            f"{shape_text(images.shape)}; [None] adds the batch axis to a single image, "
            "[..., None] the channel axis to images without channels"
        )


class LeadingAxes:
    """All axes but the last three of images, and the dtype that they were given in.

    Images whose rank a graph does not know must turn out to have rank 4; the ops check it.
    """

    def __init__(self, argument: str, images: tf.Tensor, given_dtype: tf.DType | None = None):
        self._argument, self._images = argument, images
        self._dtype = given_dtype or images.dtype
        check_rank(argument, images)
        rank = images.shape.rank
        self._is_one = rank is None or rank == _IMAGE_AXES + 1

    def fold(self, argument: str, tensor: tf.Tensor) -> tf.Tensor:
        """[..., H, W, C] as [N, H, W, C]; raises if the leading axes are not those of the images.

        Rank 4 passes unseen: the ops check more than this could.
        """
        if self._is_one:
            return tensor
        leading = self._images.shape[:-_IMAGE_AXES]
        if tensor is not self._images:
            tensor = self._checked(argument, tensor, leading)
        leading = leading.merge_with(tensor.shape[:-_IMAGE_AXES])
        if tensor.shape.is_fully_defined():
            return tf.reshape(tensor, [math.prod(leading), *tensor.shape[-_IMAGE_AXES:]])
        shape = tf.shape(tensor)
        count = tf.reduce_prod(shape[:-_IMAGE_AXES], keepdims=True)
        folded = tf.reshape(tensor, tf.concat([count, shape[-_IMAGE_AXES:]], axis=0))
        return tf.ensure_shape(folded, [leading.num_elements(), *tensor.shape[-_IMAGE_AXES:]])

    def unfold_losses(self, losses: tf.Tensor) -> tf.Tensor:
        """[N, ...] as [B, ..., ...], of the dtype that losses of the given images have."""
        return self._unfold(tf.cast(losses, loss_dtype(self._dtype)))

    def unfold_images(self, images: tf.Tensor) -> tf.Tensor:
        """[N, H, W, C] as [B, ..., H, W, C], of the dtype that the images were given in."""
        return self._unfold(tf.cast(images, self._dtype))

    def _unfold(self, tensor: tf.Tensor) -> tf.Tensor:
        if self._is_one:
            return tensor
        leading, rest = self._images.shape[:-_IMAGE_AXES], tensor.shape[1:]
        if leading.is_fully_defined() and rest.is_fully_defined():
            return tf.reshape(tensor, [*leading, *rest])
        shape = tf.concat([tf.shape(self._images)[:-_IMAGE_AXES], tf.shape(tensor)[1:]], axis=0)
        return tf.ensure_shape(tf.reshape(tensor, shape), [*leading, *rest])

    def _checked(self, argument: str, tensor: tf.Tensor, leading: tf.TensorShape) -> tf.Tensor:
        """The tensor, of the images' rank and leading axes."""
        rank = self._images.shape.rank
        if tensor.shape.rank is None:
            message = f"{argument} must have rank {rank} as {self._argument}, got"
            found = tf.size(tf.shape(tensor))  # tf.rank is taken for what ensure_shape says
            tensor = with_assert(
                tf.debugging.Assert(tf.equal(found, rank), [message, found]), tensor
            )
            tensor = tf.ensure_shape(tensor, [None] * rank)
        if tensor.shape.rank != rank:
            raise shape_error(
                f"{argument} must have rank {rank} as {self._argument}, got shape "
                f"{shape_text(tensor.shape)}"
            )
        message = f"{argument} must have the leading axes of {self._argument},"
        found = tensor.shape[:-_IMAGE_AXES]
        if not found.is_compatible_with(leading):
            raise shape_error(
                f"{message} {shape_text(leading)}, got shape {shape_text(tensor.shape)}"
            )
        if found.is_fully_defined() and leading.is_fully_defined():
            return tensor
        shapes = [tf.shape(x)[:-_IMAGE_AXES] for x in (self._images, tensor)]
        good = tf.reduce_all(tf.equal(*shapes))
        tensor = with_assert(
            tf.debugging.Assert(good, [message, shapes[0], "got", shapes[1]]), tensor
        )
        # XLA drops assertions. It does refuse to stack what has not the same shape.
        both = tf.stack([tf.zeros(shape, tf.bool) for shape in shapes])
        rest = tf.shape(tensor)[-_IMAGE_AXES:]
        known = leading.concatenate(tensor.shape[-_IMAGE_AXES:])
        tensor = tf.reshape(tensor, tf.concat([tf.shape(both)[1:], rest], axis=0))
        return tf.ensure_shape(tensor, known)
