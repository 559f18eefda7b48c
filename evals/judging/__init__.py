"""Answers judged by a model: what it is asked, its verdicts, and how well it agrees with people."""
