"""Magenta's own checkpoints, read without TensorFlow: names and arrays as TensorFlow or magenta.js stored them."""
