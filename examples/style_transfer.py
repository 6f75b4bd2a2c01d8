"""Gives an image the texture of another one and keeps its edges, as Gatys et al. 2016 with Sobel.

python examples/style_transfer.py --weights imagenet --content photo.jpg --style painting.jpg

Without arguments, of two small pictures that it makes, by a network of random numbers.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
import tensorflow as tf

import gradops

CONTENT_LAYERS = ["block2_conv2"]
STYLE_LAYERS = ["block1_conv1", "block1_conv2", "block2_conv1"]


def load(path: str | None, size: int, drawn: np.ndarray) -> tf.Tensor:
    """An image file, or else what was drawn, [1, size, size, 3] in [0, 1]."""
    if path is not None:
        drawn = keras.utils.img_to_array(keras.utils.load_img(path)) / 255
    return tf.image.resize(drawn[None], [size, size], antialias=True)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """A disc, and diagonal stripes."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    disc = np.where(x**2 + y**2 < 0.4, 0.8, 0.2)[..., None] * [1.0, 0.8, 0.6]
    stripes = 0.5 + 0.4 * np.sin(20 * (x + y))[..., None] * [0.2, 0.6, 1.0]
    return disc.astype(np.float32), stripes.astype(np.float32)


def grams(features: list[tf.Tensor]) -> list[tf.Tensor]:
    """What occurs together, wherever: [C, C] of each layer."""
    return [tf.einsum("bhwc,bhwd->cd", x, x) / (tf.size(x, tf.float32)) for x in features]


def transfer(
    content: tf.Tensor, style: tf.Tensor, weights: str | None, steps: int, style_weight: float
) -> gradops.Optimized:
    """The image, and the losses of the steps."""
    # Features of the content, and Sobel gradients, which keep its edges in place.
    features = gradops.vgg_features(layers=CONTENT_LAYERS, weights=weights)
    of_content = gradops.PerceptualGradientLoss(
        features,
        perceptual_weight=float(1 / tf.reduce_mean(tf.square(features(content)))),
        gradient_weight=0.1,
        gradient_loss=gradops.SobelLoss("charbonnier"),
    ).bind(content)
    network = gradops.vgg_features(layers=STYLE_LAYERS, weights=weights)
    wanted = grams(network(style))

    def loss(image: tf.Tensor) -> tf.Tensor:
        found = grams(network(image))
        styles = [
            tf.reduce_mean(tf.square(f - w)) / tf.reduce_mean(tf.square(w))
            for f, w in zip(found, wanted, strict=True)
        ]
        return of_content(image) + style_weight * tf.add_n(styles)

    return gradops.optimize_image(
        content,
        loss,
        optimizer=keras.optimizers.Adam(0.01),
        steps=steps,
        tolerance=1e-3,
        value_range=(0, 1),
        verbose=True,
    )


def main(argv: list[str] | None = None) -> gradops.Optimized:
    """Prints the losses; writes the image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--content", help="image file")
    parser.add_argument("--style", help="image file")
    parser.add_argument("--weights", help='"imagenet", or a file of weights of VGG16')
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=128, help="height and width")
    parser.add_argument("--style-weight", type=float, default=1.0)
    parser.add_argument("--output", help="PNG file")
    options = parser.parse_args(argv)
    disc, stripes = pictures()
    content = load(options.content, options.size, disc)
    style = load(options.style, options.size, stripes)
    found = transfer(content, style, options.weights, options.steps, options.style_weight)
    history = found.history
    print(f"loss {history[0]:.4f} -> {history[-1]:.4f} after {len(history)} steps")
    if options.output:
        keras.utils.save_img(options.output, found.image[0])
    return found


if __name__ == "__main__":
    main()
