"""The ops with too little memory for the coarser levels of a unit.

That memory is not TensorFlow's: threads of its pool take it from the system. The argument is the
mode. Prints the name of the error.
"""

import json
import sys

import tensorflow as tf
from tools import MODES, address_space, bits, outcome, small, tall_images

import gradops


def loss(y_true, y_pred):
    options = {"scales": 3, "downsample": "average", "border": "circular"}
    return gradops.gradient_loss(y_true, y_pred, **options)


function = MODES[sys.argv[1]](loss)
pair = [tf.constant(x) for x in small]
wanted = bits(function(*pair))
large = [tf.constant(x) for x in tall_images()]
if sys.argv[1] != "eager":
    function.get_concrete_function(*large)
with address_space(1 << 20):
    found = outcome(function, *large)
assert bits(function(*pair)) == wanted
whole = bits(function(*large))
assert bits(function(*large)) == whole
print(json.dumps(found))
