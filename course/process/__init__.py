"""Other processes of the course: how they start, what they are told, how they end."""
