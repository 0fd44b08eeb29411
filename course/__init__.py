"""The tool behind the course: it checks steps, generates text and measures speed."""

from course import runtime

runtime.prepare()
