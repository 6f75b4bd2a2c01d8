"""Two demonstrations: a network that is trained, and an image that is optimised.

`python -m gradops demo` is training/, `python -m gradops optimize` is image/. Both compare gradops
with pure TensorFlow: times in this process, in turns where that is possible, and memory in others.
"""
