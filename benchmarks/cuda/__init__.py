"""The CUDA kernels, on arrays of CuPy, against the card's memory and other libraries.

For a build without TensorFlow, which nothing here imports. PyTorch and Triton are compared with
where they are installed.
"""
