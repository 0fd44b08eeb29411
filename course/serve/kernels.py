"""The Mojo kernels of step 17, for the server's model."""

from __future__ import annotations

from pathlib import Path

from course.errors import Misuse
from course.model.kernel_package import (
    KERNELS,
    KernelsUnavailable,
    instructions,
    package,
)
from course.model.modules import FAST_MODEL, has_part_two, readers_kernels
from course.process import parent
from course.serve.handover import name_kernels


def find_sources(code: str, dtype: str) -> Path | None:
    """Find the Mojo sources.

    Args:
        code: Whose model is served: "solutions", or "steps" for the reader's.
        dtype: How weights are to be kept.

    Returns:
        A folder for `package`; none if the reader has not done Part II.

    Raises:
        Misuse: Without them, weights cannot be kept so.
    """
    if code == "solutions":
        return KERNELS
    if has_part_two(code):
        return readers_kernels()
    if dtype != "float32":
        raise Misuse(
            f"--dtype {dtype} needs the kernels of step {FAST_MODEL}, and your steps "
            "up to that are not all done; without --code steps, the solutions are used."
        )
    return None


def use_kernels(sources: Path, dtype: str, folder: Path, on_cpu: bool) -> None:
    """Have the model run on the kernels if it can, and tell the parent.

    Args:
        sources: From `find_sources`.
        dtype: How weights are to be kept.
        folder: Holds the model, from `hand_over`.
        on_cpu: Whether it computes there.

    Raises:
        Misuse: It cannot, and weights of this dtype need it.
    """
    try:
        if not on_cpu:
            raise KernelsUnavailable("The Mojo kernels are for the CPU.")
        name_kernels(folder, package(sources), dtype)
    except KernelsUnavailable as error:
        if dtype != "float32":
            raise Misuse(f"--dtype {dtype} needs the kernels. {error}") from None
        parent.tell(note=f"{error} Using MAX's own operations instead.")
        return
    by = instructions(sources).described(dtype)
    parent.tell(note=f"using Mojo kernels, {dtype} weights{by}")
