"""Images with more leading axes than the batch axis, such as videos.

The ops get images [B, ..., H, W, C] as one batch [N, H, W, C], and their results per example get
the leading axes back.
"""

from __future__ import annotations

import math

import tensorflow as tf

from gradops._inputs.tensors import loss_dtype, shape_error, shape_text, with_assert

_IMAGE_AXES = 3  # channels_last or channels_first


def check_rank(argument: str, images: tf.Tensor) -> None:
    """Raises if images are known to have fewer than 4 axes."""
    rank = images.shape.rank
    if rank is not None and rank <= _IMAGE_AXES:
        raise shape_error(
            f"{argument} must have rank 4 [B, H, W, C] or [B, C, H, W], or more, got shape "
            f"{shape_text(images.shape)}; [None] adds the batch axis to a single image, "
            "[..., None] the channel axis to images without channels"
        )


class LeadingAxes:
    """The axes of images before the last three, and the dtype in which the images were given.

    If a graph does not know the rank of images, it must be 4, which the ops check.

    Attributes:
      rank: That of the images.
    """

    def __init__(self, argument: str, images: tf.Tensor, given_dtype: tf.DType | None = None):
        self._argument, self._images = argument, images
        self._dtype = given_dtype or images.dtype
        check_rank(argument, images)
        self.rank: int = images.shape.rank or _IMAGE_AXES + 1
        self._is_one = self.rank == _IMAGE_AXES + 1

    def fold(self, argument: str, tensor: tf.Tensor) -> tf.Tensor:
        """[..., H, W, C] as [N, H, W, C]; raises if the leading axes are not those of the images.

        Images of rank 4 are not checked here, because the ops check them.
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
        """[N, ...] as [B, ..., ...], in the dtype of losses of the given images."""
        return self._unfold(tf.cast(losses, loss_dtype(self._dtype)))

    def unfold_images(self, images: tf.Tensor) -> tf.Tensor:
        """[N, H, W, C] as [B, ..., H, W, C], in the dtype of the given images."""
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
        """The tensor, checked to have the rank and the leading axes of the images."""
        rank = self.rank
        if tensor.shape.rank is None:
            message = f"{argument} must have rank {rank} as {self._argument}, got"
            found = tf.size(tf.shape(tensor))  # tf.rank would be what ensure_shape below says
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
        # XLA drops assertions but cannot stack tensors of different shapes.
        both = tf.stack([tf.zeros(shape, tf.bool) for shape in shapes])
        rest = tf.shape(tensor)[-_IMAGE_AXES:]
        known = leading.concatenate(tensor.shape[-_IMAGE_AXES:])
        tensor = tf.reshape(tensor, tf.concat([tf.shape(both)[1:], rest], axis=0))
        return tf.ensure_shape(tensor, known)
