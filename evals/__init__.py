"""How good the model is: exams, bits per byte, statistics and their report."""
