"""What the README, pixi.toml and the Makefile promise exists and agrees."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

from course.steps import ALL_STEPS, ROOT, STEPS

PIXI = tomllib.loads((ROOT / "pixi.toml").read_text())
TASKS = {
    name: task if isinstance(task, str) else task["cmd"]
    for name, task in PIXI["tasks"].items()
}
SCHEMA = ROOT.parent / "shared" / "pixi-manifest.schema.json"


def test_schema():
    """pixi.toml is valid by pixi's own schema, where that is at hand."""
    if not SCHEMA.is_file():
        pytest.skip("pixi's schema is not beside the project")
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA.read_text())
    errors = list(Draft202012Validator(schema).iter_errors(PIXI))
    assert not errors, errors


def test_one_source_of_dependencies():
    """pixi installs the package itself, and names no dependency a second time."""
    assert list(PIXI["pypi-dependencies"]) == ["gpt2-from-scratch-in-max"]
    assert set(PIXI["dependencies"]) == {"python"}
    assert set(PIXI["workspace"]["platforms"]) == {
        "linux-64",
        "linux-aarch64",
        "osx-arm64",
    }


def test_exact_versions():
    """Two installs are the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    for dependency in [*project["dependencies"], *(d for e in extras for d in e)]:
        name_and_version, _, _where = dependency.partition("; ")
        exact = r"[a-z0-9-]+(\[\w+\])?==[\d.]+(b\d+)?"
        assert re.fullmatch(exact, name_and_version), dependency


def test_a_task_for_every_step():
    """pixi run sNN, make sNN and course check NN are one thing."""
    listed = re.search(r"^STEPS := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1]
    assert listed.split() == [step.task for step in STEPS]
    for step in ALL_STEPS:
        assert TASKS[step.task] == f"course check {step.number}"


def test_tasks_name_commands(course):
    """Every command in a task is one that `course` knows."""
    commands = [command for task in TASKS.values() for command in task.split("&&")]
    for program, *rest in {tuple(shlex.split(command)[:2]) for command in commands}:
        if program == "course":
            assert course(rest[0], "--help").status == 0
        else:
            assert program in {"ruff", "mypy", "python"}


@pytest.mark.parametrize(
    "target", ["s07", "bpe", "generate", "test", "test-all", "check-all", "lint"]
)
def test_make_targets(target):
    """The Makefile has the targets, with the commands of pixi.toml."""
    ran = subprocess.run(
        ["make", "-n", "-C", str(ROOT), target],
        capture_output=True,
        text=True,
        check=True,
    )
    for command in TASKS[target].split("&&"):
        words = [word for word in shlex.split(command) if "{{" not in word]
        assert words[-1] in ran.stdout


@pytest.mark.parametrize("name", ["s01", "hint"])
def test_tasks_run_as_they_stand(name):
    """A task's command runs as it stands, given what it needs."""
    command = TASKS[name] + {"s01": " --solutions", "hint": " 7 --all --level 3"}[name]
    folder = os.path.dirname(sys.executable)  # pixi has it on the path too
    path = os.pathsep.join([folder, os.environ["PATH"]])
    ran = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    assert ran.returncode == 0, ran.stderr


def test_commands_in_the_readme(course):
    """Every `course` and `make` command that the README shows exists."""
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for command in set(re.findall(r"(?:`|^    |^)course ([a-z]+)", text, re.M)):
        assert course(command, "--help").status == 0, command
    for target in re.findall(r"(?:`|^    |^)make ([a-z0-9-]+)", text, re.M):
        assert re.search(rf"^{target}:|STEPS := .*{target}", makefile, re.M), target
    for task in re.findall(r"pixi run ([a-z0-9-]+)", text):
        assert task in TASKS, task
