"""Prints what a C++ build needs to know of TensorFlow as a CMake list.

version; include folder; framework library; C++ library with XLA; compile flags...
"""

import os

import tensorflow as tf

library_dir, library = "", ""
for flag in tf.sysconfig.get_link_flags():
    if flag.startswith("-L"):
        library_dir = flag[2:]
    elif flag.startswith("-l"):
        library = flag[2:].lstrip(":")
if not library.startswith("lib"):  # "-ltensorflow_framework.2" on macOS
    library = f"lib{library}.dylib"
flags = [flag for flag in tf.sysconfig.get_compile_flags() if not flag.startswith(("-I", "--std"))]
print(
    ";".join(
        [
            tf.__version__,
            tf.sysconfig.get_include(),
            os.path.join(library_dir, library),
            os.path.join(library_dir, library.replace("framework", "cc")),
            *flags,
        ]
    )
)
