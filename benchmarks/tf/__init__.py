"""What is timed with TensorFlow: kernels and ops of the CPU, and the modes of any device."""
