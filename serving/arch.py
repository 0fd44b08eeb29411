"""What `--custom-architectures` looks for; step 18 makes it, weight adapter and all."""

from step_18 import ARCHITECTURES

__all__ = ["ARCHITECTURES"]
