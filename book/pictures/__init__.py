"""The drawings of the book, made by `python -m book.pictures`."""
