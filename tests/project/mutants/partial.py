"""Step files of which some TODOs are done and the others are as in the skeleton."""

from course.skeleton import read_tasks, take_out
from tests.project.mutants.mutant import solution


def with_open(part, opened, source=None):
    """A solution, or a changed one, with some TODOs open again."""
    text = take_out(source or solution(part), opened, part)
    return text.replace("from solution_", "from step_")


def changed_todos(mutant):
    """The indices of the TODOs whose answers a mutant changes."""
    todos = read_tasks(mutant.part).todos
    return [i for i, todo in enumerate(todos) if not _can_open(mutant, todo)]


def _can_open(mutant, todo):
    try:
        with_open(mutant.part, [todo], mutant.source)
    except ValueError:
        return False
    return True


def as_soon_as_made(mutant):
    """A mutant when the TODOs up to its change are done; None if no TODO is open."""
    todos, changed = read_tasks(mutant.part).todos, changed_todos(mutant)
    opened = todos[max(changed, default=0) + 1 :]
    return with_open(mutant.part, opened, mutant.source) if changed and opened else None


def alone(mutant):
    """A mutant of which nothing else is done; None if no TODO is open."""
    todos, changed = read_tasks(mutant.part).todos, changed_todos(mutant)
    opened = [todo for i, todo in enumerate(todos) if i not in changed]
    return with_open(mutant.part, opened, mutant.source) if changed and opened else None
