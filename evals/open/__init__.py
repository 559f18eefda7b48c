"""Tasks whose answers are written freely: their items, marks, figures."""
