"""`course serve` with a model in an oddly named folder, and ended by a signal."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from course.plain_path import plain_path
from course.steps import DEMO_MODEL
from tests.project.serving import Served


@pytest.mark.thorough
def test_odd_folder(tmp_path):
    """The curl line can be pasted; a dead server says which signal ended it."""
    folder = tmp_path / "m:o [d] 'e' é #% *"
    shutil.copytree(DEMO_MODEL, folder)
    with Served("--model", str(folder)) as server:
        line = re.search("^curl .*$", server.log(), re.MULTILINE)[0]
        ran = subprocess.run(
            line, shell=True, capture_output=True, text=True, timeout=60, check=True
        )
        answer = json.loads(ran.stdout)
        assert answer["model"] == folder.name
        assert answer["choices"][0]["text"]
        os.kill(min(server.family()), signal.SIGILL)
        assert server.wait() == 1
    assert "SIGILL: this processor lacks an instruction" in server.log()


@pytest.mark.parametrize("name", ["plain", "with space", "a[b]", "star*", "what?"])
def test_plain_path(name, tmp_path):
    """The folder, under a name that is no pattern."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with plain_path(folder) as path:
        assert not set(str(path)) & set("[*?")
        assert (path / "config.json").read_text() == "{}"
        assert (path == folder) == (name in {"plain", "with space"})
    assert (folder / "config.json").exists()
