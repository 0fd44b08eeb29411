"""The project's own tests; the checks of the steps stand one folder up."""
