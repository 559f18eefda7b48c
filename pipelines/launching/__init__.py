"""Stages in several processes and on clusters, by existing engines."""
