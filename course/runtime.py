"""What MAX's eager mode needs, in one place.

Import `course` before `max`: the settings below are read when MAX is imported.
Measured with MAX 26.7; CONTRIBUTING.md says how to see whether a newer MAX
still needs them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import sysconfig
import threading
import warnings
from types import FrameType
from typing import TYPE_CHECKING

from course.errors import Misuse

if TYPE_CHECKING:
    from max.driver import Device
    from rich.console import Console


def prepare() -> None:
    """Set up this process for MAX's eager mode. Calling it again is harmless."""
    # By default MAX compiles every eager graph a second time in background
    # processes, which eats a small machine. The interpreter alone is enough here.
    os.environ.setdefault("MAX_EAGER_EXECUTOR", "interpreter")

    # MAX runs eager operations under asyncio.run, which installs a handler for
    # Ctrl-C. Python 3.11 formats that handler for an enum lookup, and with it the
    # tensors it refers to, element by element: a forward pass takes 100 times as
    # long. asyncio leaves the signal alone when a program has a handler of its own.
    in_main_thread = threading.current_thread() is threading.main_thread()
    if sys.version_info < (3, 12) and in_main_thread:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _raise_keyboard_interrupt)

    # Where it is not told, Mojo asks the first `python3` of the path in the current
    # folder, and whatever lies there is imported.
    suffix = "dylib" if sys.platform == "darwin" else "so"
    name = f"libpython{sysconfig.get_python_version()}{sys.abiflags}.{suffix}"
    library = os.path.join(sysconfig.get_config_var("LIBDIR") or "", name)
    if os.path.isfile(library):
        os.environ.setdefault("MOJO_PYTHON_LIBRARY", library)

    # "compiled ... on the fly": `course warm` says this better.
    logging.getLogger("max._eager_policy").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="max")


def _raise_keyboard_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


METAL_WARNING = (
    "--device gpu: on Apple's Metal, MAX is known to compute wrong logits for texts of "
    "more than three tokens. What differs here may be right with --device cpu."
)


def find_device(name: str) -> Device:
    """Return the device that `--device` names.

    Args:
        name: "cpu"; "gpu"; or "auto" for the accelerator where there is one, but for
            Apple's Metal, on which MAX is not to be trusted with GPT-2 yet.

    Raises:
        Misuse: There is no accelerator that MAX can use.
    """
    from max.driver import CPU, Accelerator, accelerator_count

    if name == "cpu":
        return CPU()
    if accelerator_count() > 0:
        accelerator = Accelerator()
        return CPU() if name == "auto" and is_metal(accelerator) else accelerator
    if name == "gpu":
        raise Misuse(
            "--device gpu: MAX finds no accelerator on this machine. "
            "Leave the option out, or use --device cpu."
        )
    return CPU()


def is_metal(device: Device) -> bool:
    """Whether a device is Apple's GPU.

    Modular's own GPT-2 leaves it aside: with a shape that is not fixed, the logits of
    more than three positions are wrong there.
    """
    return device.api == "metal"


def assert_device(name: str, notes: Console) -> None:
    """Refuse a device that is not there, and warn of one that computes wrongly.

    Imports MAX for an accelerator that was asked for, and otherwise nothing.

    Raises:
        Misuse: There is no accelerator that MAX can use.
    """
    if name == "gpu" and is_metal(find_device(name)):
        notes.print(METAL_WARNING, style="yellow")
