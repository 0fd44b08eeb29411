"""The files of a reader who has done some steps as the solutions do them."""

from course.skeleton import finished


def finish(folder, steps):
    """Write the files of these steps, finished."""
    for step in steps:
        for part in step.parts:
            (folder / part.skeleton.name).write_text(finished(part))
