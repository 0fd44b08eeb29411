"""How far the reader is: `course list` and `course export`."""
