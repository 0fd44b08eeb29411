"""The Mojo file of step 17: what its compiler says, what it does, which TODOs."""

import pytest

from course.check.completed import complete_mojo
from course.check.failure import CheckFailed, DoesNotCompile
from course.check.kernel.calls import Call
from course.check.kernel.run import as_written
from course.check.mistakes.quote import quote
from course.model.kernel_package import (
    ALLOWED,
    KERNELS,
    READERS_FILE,
    with_readers_file,
)
from course.open_todos import next_todo
from course.skeleton import make_skeleton
from course.steps import MOJO_STEP, get_step
from tests.project.finished import finish
from tests.project.mutants.mutant import changed
from tests.test_step_17 import CALLS

STEP = get_step(MOJO_STEP)
MOJO = STEP.parts[0]
LOADED = "return w.unsafe_load[width=width](column).cast[DType.float32]()"
ADDED = "total += x[unsafe_offset=column] * load_weights[1](w, column)"
LOOP = "for column in range(k):"


@pytest.fixture
def kernel(tmp_path):
    """Makes the file of a reader from the solution, changed."""

    def make(*changes):
        path = tmp_path / "step_17.mojo"
        path.write_text(changed(MOJO, *changes))
        return as_written(path, path.read_text())

    return make


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (
            "dot_registers(x, w, whole)",
            "dot_register(x, w, whole)",
            "return dot_register(",
            "no `dot_r",
        ),
        (LOADED, "return w.unsafe_load[width=width](column)", "return w", r"\.cast\["),
        (LOOP, "for column in range(k)", "for column", "Mojo says"),
        (ADDED, "totl += x[unsafe_offset=column]", "totl", "no `totl`"),
        (
            LOADED,
            LOADED.replace("[width=width]", "[width=column]"),
            "return w",
            "known",
        ),
        (ADDED, f"{ADDED}.sum()", "total", "constraint failed"),
        (ADDED, f"{ADDED}.lanes()", "total", "has no `lanes`"),
        (ADDED, "x[unsafe_offset=column] = 0", "x[", "written"),
    ],
)
def test_what_does_not_compile(kernel, old, new, line, said):
    """The first error, at the reader's line, in words."""
    file = kernel((old, new))
    with pytest.raises(DoesNotCompile, match=said) as caught:
        file.call_all(CALLS[:1])
    message = str(caught.value)
    assert "few_rows" not in message
    assert f"    {caught.value.line} │ {line}" in message


def test_crash(kernel):
    """Reading where no memory is, is said so."""
    file = kernel((LOADED, LOADED.replace("column", "column + (1 << 40)")))
    with pytest.raises(CheckFailed, match="reads or writes where no memory is"):
        file.call_all(CALLS[:1])


@pytest.mark.thorough
def test_endless_loop(kernel):
    """What does not end is ended."""
    file = kernel((LOOP, "var column = 0\n    while column < k:"))
    with pytest.raises(CheckFailed, match="does not end"):
        file.call_all([call for call in CALLS if call.function == "dot_numbers"])


def test_memory_around_the_operands():
    """Each call has its operands to itself, whatever lies around them."""
    names = {call.function for call in CALLS}
    assert len(names) == 6
    for call in CALLS:
        assert isinstance(call, Call)
        assert call.y_size >= call.y_stride


def test_completed_is_the_solution():
    """A skeleton, completed, is the solution but for blank lines and comments."""
    completed = complete_mojo(MOJO, make_skeleton(MOJO))
    assert len(completed.numbers) == completed.text.count("\n")
    assert completed.places == {call.function for call in CALLS}

    def code(text):
        _, _, body = text.partition('"""\n\nfrom ')
        lines = [line.strip() for line in body.splitlines()]
        return [line for line in lines if line and not line.startswith("#")]

    assert code(completed.text) == code(MOJO.solution.read_text())


def test_quoted_line(kernel):
    """Only lines of the function, and none of its docstring."""
    file = kernel()
    assert quote(file, ["reduce_add"], "dot_registers").endswith("sums.reduce_add()")
    assert quote(file, ["Returns"], "dot") == ""
    assert quote(file, ["four_end"], "dot") == ""


def test_stands_among_the_kernels(kernel):
    """All kernels are ours but the one, which no tiles pass by."""
    file = kernel()
    folder = with_readers_file(file.path)
    assert {p.name for p in folder.iterdir()} == {
        p.name for p in KERNELS.glob("*.mojo")
    }
    for path in folder.iterdir():
        same = path.read_bytes() == (KERNELS / path.name).read_bytes()
        assert same == (path.name not in (READERS_FILE, ALLOWED))
    assert (folder / READERS_FILE).read_bytes() == file.path.read_bytes()


def test_next_todo_of_two_files(tmp_path, monkeypatch):
    """First those of the Mojo file, then those of the Python file."""
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    finish(tmp_path, [STEP])
    assert next_todo(STEP) is None
    STEP.skeleton.write_text(make_skeleton(STEP))
    path, _, todo = next_todo(STEP)
    assert (path.name, todo.task) == ("step_17.py", 7)
    MOJO.skeleton.write_text(make_skeleton(MOJO))
    path, _, todo = next_todo(STEP)
    assert (path.name, todo.task) == ("step_17.mojo", 1)


def test_reset_of_two_files(tmp_path, course):
    """Both are put back, and both versions are kept."""
    finish(tmp_path, [STEP])
    ran = course("reset", MOJO_STEP, COURSE_STEPS_DIR=tmp_path)
    assert ran.status == 0
    for part in STEP.parts:
        name = part.skeleton.name
        assert (tmp_path / name).read_text() == make_skeleton(part)
        assert (tmp_path / f"{name}.bak").exists()
        assert name in ran.out
