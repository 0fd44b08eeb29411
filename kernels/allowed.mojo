"""What may be used of a processor; a copy of the kernels can say otherwise."""

comptime TILES = True
"""AMX: instructions for tiles."""

comptime DOT_PRODUCTS = True
"""VNNI and its like: instructions for dot products of narrow numbers."""
