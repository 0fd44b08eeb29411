"""Calling a reader's Mojo functions, and saying what is wrong with them."""
