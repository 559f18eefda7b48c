"""Intervals, paired tests and calibration for the scores of an exam's items.

Items that share a passage are not independent: they are a cluster, and every interval takes ``clusters``, the name of each item's cluster
(None for an item that stands alone). A score is 0 or 1 for a choice, or a grade between.
"""
