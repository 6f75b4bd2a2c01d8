"""Benchmarks of gradops: run `python -m benchmarks` from the repository's root."""

import os

# Hides what TensorFlow says about the processor at every start; read when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
