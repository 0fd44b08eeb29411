"""A GPT-2 from the disk to a compiled model: weights, the steps' code, the graph."""
