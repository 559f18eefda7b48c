"""A weighted mean of the weights of several models of one shape.

Between a base and what was fine-tuned from it, the mean keeps most of what was learnt and wins back much of what was forgotten
(WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903; "Model soups", Wortsman et al. 2022,
https://arxiv.org/abs/2203.05482). Raises MergeError when the models do not fit together.
"""

from __future__ import annotations

import torch

from corpora.errors import OslerError
from pipelines import training
from pipelines.artifact import Draft
from pipelines.config import MergeStage


class MergeError(OslerError):
    """Models that cannot be merged."""


@torch.no_grad()
def merge(stage: MergeStage, places: dict[str, str], draft: Draft) -> None:
    """Writes the mean of the models at ``places`` (name to folder), weighted as the stage says, to ``draft``.

    The tokenizer and the chat template are those of the last model named.
    """
    total = sum(stage.models.values())
    mean: dict[str, torch.Tensor] = {}
    for name, weight in stage.models.items():
        model = training.load_model(places[name], training=False)
        parts = {key: value.float() * (weight / total) for key, value in model.state_dict().items()}
        if not mean:
            mean = parts
            continue
        for key in mean.keys() | parts.keys():
            if key not in mean or key not in parts or mean[key].shape != parts[key].shape:
                raise MergeError(
                    f"{places[name]}: '{key}' is not as in the other models; only models of one shape can be merged"
                )
            mean[key] += parts[key]
    model = model.float()
    model.load_state_dict(mean)
    training.save_model(model, training.load_tokenizer(places[list(stage.models)[-1]]), draft.folder / "model")
    draft.metrics = {"weights": {name: weight / total for name, weight in stage.models.items()}}
