"""Gradients by other libraries, of the same problems, side by side with this project's."""
