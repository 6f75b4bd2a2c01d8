"""What gradops is for, run: a network that is trained, an image that is optimised.

`python -m gradops demo` is training/, `python -m gradops optimize` is image/. Both measure each of
several providers, gradops or pure TensorFlow, in processes of their own.
"""
