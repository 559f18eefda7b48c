"""Measures as modules of the ``evaluate`` library: ``evaluate.load("<folder>/interval_accuracy.py")``."""
