"""What may be used of a processor; a copy of the kernels can say otherwise."""

comptime TILES = True
"""Tiles, where the processor has them."""
