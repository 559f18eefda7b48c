"""Where a run keeps its curves. Apart from what writes them, so that a command that only looks for them need not import torch."""

TENSORBOARD, TRACKIO = "tensorboard", "trackio"  # folders below the run's
