"""How many tokens may follow a prompt, in `course generate` and `course serve`."""

from __future__ import annotations

from course.errors import CourseError

DEFAULT_NEW_TOKENS = 200


def tokens_that_fit(
    prompt_length: int, n_positions: int, asked: int | None, option: str
) -> int:
    """Return how many tokens may be generated.

    What was asked for must fit the model; the default is cut to what fits.

    Args:
        prompt_length: In tokens.
        n_positions: How many tokens the model reads at most.
        asked: How many are asked for, or None for the default.
        option: What the user calls `asked`.

    Raises:
        CourseError: The prompt is empty, or does not fit with what is asked.
    """
    if prompt_length == 0:
        raise CourseError(
            "The prompt is empty: give the model some text to go on from."
        )
    limit = f"this model reads at most {n_positions} (n_positions) with what it writes"
    room = n_positions - prompt_length
    if room < 1:
        raise CourseError(
            f"The prompt has {prompt_length} tokens, and {limit}. Shorten it."
        )
    if asked is None:
        return min(DEFAULT_NEW_TOKENS, room)
    if asked > room:
        raise CourseError(
            f"{option} {asked} does not fit: the prompt has {prompt_length} tokens, "
            f"and {limit}. At most {room} can follow."
        )
    return asked
