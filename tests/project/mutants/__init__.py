"""Solutions changed on purpose, and how they are checked by the hundred."""
