"""Fitted Keras models and their packaged forms, and the scorer that needs no TensorFlow."""
