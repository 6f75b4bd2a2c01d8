"""The CUDA kernels on a GPU, against its memory and other libraries: `python -m benchmarks.gpu`.

Of a build without TensorFlow (`make gpu-check`), with arrays of CuPy; nothing here imports
TensorFlow. PyTorch and Triton are compared with where they are installed.
"""
