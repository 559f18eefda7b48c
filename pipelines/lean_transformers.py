"""transformers without scikit-learn, which it imports wherever it is installed, and pandas with it: a tenth of what a command takes to start.

It is wanted for one setting of assisted generation (``assistant_confidence_threshold``), which nothing here uses; the model's own generation is the
same. Import this before a model class of transformers; where that has been imported already, nothing changes.
"""

from __future__ import annotations

from transformers import utils

_really = utils.is_sklearn_available
utils.is_sklearn_available = lambda: False
try:
    import transformers.generation.candidate_generator  # noqa: F401
finally:
    utils.is_sklearn_available = _really
