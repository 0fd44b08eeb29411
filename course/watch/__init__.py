"""`course watch`: checks a step again whenever it is saved, and moves on when right."""
