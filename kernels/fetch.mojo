"""Memory that is asked for before it is needed, so that nobody waits for it then."""

from std.sys import prefetch, PrefetchOptions, size_of

from .matrix import Matrix

comptime CACHE_LINE = 64
"""Bytes that travel together."""


@always_inline
def fetch[options: PrefetchOptions](part: Matrix[_, _]):
    """Asks for all lines of a part of a matrix; it may lie beyond the end of memory."""
    for row in range(part.rows):
        for column in range(
            0, part.columns, CACHE_LINE // size_of[Scalar[part.dtype]]()
        ):
            prefetch[options](part.at(row, column))


@always_inline
def fetch_to_read(part: Matrix[_, _]):
    """Asks for numbers that are read next."""
    fetch[PrefetchOptions().for_read().to_data_cache()](part)


@always_inline
def fetch_to_write(part: Matrix[_, _]):
    """Asks for places that are written next: a line is read before it is changed."""
    fetch[PrefetchOptions().for_write().to_data_cache()](part)


@always_inline
def fetch_share(part: Matrix[_, _], done: Int, more: Int, whole: Int):
    """Asks for the share of a matrix's rows that `more` of `whole` steps have to fetch.

    Args:
        part: What is needed after the last step.
        done: The steps before.
        more: The steps now.
        whole: All steps.
    """
    var first = part.rows * done // whole
    var last = part.rows * (done + more) // whole
    fetch_to_read(part.some_rows(first, last - first))
