"""TFLite and ONNX: models convert, the ops of the losses do not, their composition does."""

import keras
import numpy as np
import onnx.reference
import pytest
import tensorflow as tf
import tf2onnx

import gradops
from gradops import reference

SHAPE = (1, 8, 7, 3)


@pytest.fixture
def loss(backend):
    """A function of its own for each backend."""
    signature = 2 * [tf.TensorSpec(SHAPE)]
    return tf.function(lambda t, p: gradops.gradient_loss(t, p), input_signature=signature)


def images(rng):
    return rng.random((2, *SHAPE), np.float32)


def lite(converter, *inputs):
    """What a converted function of one output returns."""
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_tflite_of_a_model_that_was_trained_with_a_loss(rng):
    """The loss is no part of what is exported."""
    x, y = images(rng)
    model = keras.Sequential([keras.Input(SHAPE[1:]), keras.layers.Conv2D(3, 3, padding="same")])
    model.compile("sgd", loss=gradops.SobelLoss())
    model.fit(x, y, verbose=0)
    found = lite(tf.lite.TFLiteConverter.from_keras_model(model), x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def test_tflite_of_a_loss(rng, backend, loss):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([loss.get_concrete_function()])
    if backend == "fused":
        with pytest.raises(Exception, match=r"'tf.Gradops>Loss' op is neither a custom op nor a"):
            converter.convert()
        converter.allow_custom_ops = True
        with pytest.raises(RuntimeError, match="unresolved custom op: Gradops>Loss"):
            lite(converter, *images(rng))
    else:
        pair = images(rng)
        np.testing.assert_allclose(
            lite(converter, *pair), reference.gradient_loss(*pair), rtol=1e-5
        )


def test_onnx_of_a_loss(rng, backend, loss):
    model, _ = tf2onnx.convert.from_function(loss, input_signature=loss.input_signature)
    kinds = {node.op_type for node in model.graph.node}
    if backend == "fused":
        assert kinds == {"Gradops>Loss"}  # which no runtime of ONNX knows
        with pytest.raises(NotImplementedError, match="Gradops>Loss"):
            onnx.reference.ReferenceEvaluator(model)
    else:
        pair = images(rng)
        names = [value.name for value in model.graph.input]
        (found,) = onnx.reference.ReferenceEvaluator(model).run(
            None, dict(zip(names, pair, strict=True))
        )
        np.testing.assert_allclose(found, reference.gradient_loss(*pair), rtol=1e-5)
