"""What it comes to: the files of a results folder, the figures of a task, and two models beside each other."""
