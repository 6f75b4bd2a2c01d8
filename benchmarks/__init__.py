"""Benchmarks of gradops: run `python -m benchmarks` from the repository's root.

What is here serves every device and imports no TensorFlow. `cuda/` times the CUDA kernels on arrays
of CuPy; `tf/` times the kernels and ops of the CPU, and TensorFlow's modes on any of its devices.
"""

import os

# Hides what TensorFlow says about the processor at every start; read when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
