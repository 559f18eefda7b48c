"""What is asked: tasks and their prompts, the rows of their data, and how rows become items."""
