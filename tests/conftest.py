"""What has to be so before any test is imported."""

from __future__ import annotations

from importlib.util import find_spec

# torch.compile imports Triton where it is installed, and the process ends with a segmentation
# fault if TensorFlow was imported before it (triton 3.7.1, tensorflow 2.21); the other way round
# they get along.
if find_spec("triton"):
    import triton  # noqa: F401
