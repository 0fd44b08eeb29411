"""`course serve`: the model behind an OpenAI-compatible address."""
