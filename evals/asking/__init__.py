"""How it is asked: an engine is given the items of a task chunk by chunk, and what it has finished is kept."""
