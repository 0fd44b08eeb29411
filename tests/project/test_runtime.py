"""Which device `--device` means, with accelerators that this machine may not have."""

import io

import max.driver
import pytest
from rich.console import Console

from course.errors import Misuse
from course.runtime import assert_device, find_device


class Processor:
    api = "cpu"


class Accelerator:
    def __init__(self, api):
        self.api = api


@pytest.fixture
def machine(monkeypatch):
    """Let MAX find an accelerator of this kind, or none."""

    def have(api):
        monkeypatch.setattr(max.driver, "CPU", Processor)
        monkeypatch.setattr(max.driver, "accelerator_count", lambda: int(bool(api)))
        monkeypatch.setattr(max.driver, "Accelerator", lambda: Accelerator(api))

    return have


@pytest.mark.parametrize(
    ("api", "name", "expected"),
    [
        (None, "auto", "cpu"),
        (None, "cpu", "cpu"),
        ("cuda", "auto", "cuda"),
        ("cuda", "gpu", "cuda"),
        ("cuda", "cpu", "cpu"),
        ("hip", "auto", "hip"),
        ("metal", "auto", "cpu"),
        ("metal", "gpu", "metal"),
        ("metal", "cpu", "cpu"),
    ],
)
def test_device(machine, api, name, expected):
    """`auto` is the accelerator where there is one, but for Apple's Metal."""
    machine(api)
    assert find_device(name).api == expected


@pytest.mark.parametrize(
    ("api", "name", "warned"),
    [
        ("metal", "gpu", True),
        ("metal", "auto", False),
        ("cuda", "gpu", False),
        (None, "auto", False),
    ],
)
def test_warning(machine, api, name, warned):
    """Who asks for Metal is told what it does."""
    machine(api)
    console = Console(file=io.StringIO(), width=200)
    assert_device(name, console)
    assert ("wrong logits" in console.file.getvalue()) == warned


def test_misuse(machine):
    """What is not there is refused, with the way out."""
    machine(None)
    with pytest.raises(Misuse, match="no accel"):
        assert_device("gpu", Console(file=io.StringIO()))
