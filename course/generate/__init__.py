"""`course generate`: from a prompt to a text."""
