"""One model from the weights of several of one shape, tensor by tensor from their files.

``linear`` is the weighted mean: between a base and what was fine-tuned from it, it keeps most of what was learnt and wins back
much of what was forgotten (WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903; "Model soups", Wortsman et al.
2022, https://arxiv.org/abs/2203.05482). ``slerp`` goes from one model to another on the arc between them (Shoemake 1985). The
other methods add to a ``base`` what each model learnt, its "task vector" (the model less the base), times its weight:

- ``task_arithmetic``: all of it (Ilharco et al. 2023, https://arxiv.org/abs/2212.04089).
- ``ties``: of each vector the largest ``density``, and of those only what has the sign that prevails at its place
  (Yadav et al. 2023, https://arxiv.org/abs/2306.01708).
- ``dare_linear`` and ``dare_ties``: of each vector ``density`` at random, divided by it (Yu et al. 2024,
  https://arxiv.org/abs/2311.03099); then as ``task_arithmetic`` or ``ties``.

The weights of these are not normalised, and a sign prevails before they are applied: as in PEFT, which computes them here.
mergekit would do as well; it is not taken because it is a program with a format of its own beside a recipe and is under the
LGPL, and the sums are in PEFT already. On the hand-worked cases of the tests both give the same (mergekit 0.1.5).

Memory: one tensor of each model in float32, a few times over, and one shard of the result. Where the models have more rows of
the vocabulary than the base (an ``extend`` stage lies between), the base knows no value for the new rows: they become the
weighted mean of the models'. Raises MergeError when the models do not fit together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from peft.utils import merge_utils
from transformers import AutoConfig, GenerationConfig

from corpora.errors import OslerError
from pipelines import loading, model_sources, training
from pipelines.artifact import Draft
from pipelines.config import MergeStage
from pipelines.training.weights import Weights, write_shards


class MergeError(OslerError):
    """Models that cannot be merged."""


def check_shapes(models: Sequence[Weights], base: Weights | None, rows: int) -> None:
    """Raises MergeError unless all tensors of all models have one shape; a base may differ in ``rows`` of the vocabulary."""
    first = models[0]
    for other in [*models[1:], *([base] if base else [])]:
        for key in sorted(first.files.keys() | other.files.keys()):
            both = key in first.files and key in other.files
            if both and first.shape(key) == other.shape(key):
                continue
            if both and other is base and first.shape(key)[0] == rows and first.shape(key)[1:] == base.shape(key)[1:]:
                continue
            raise MergeError(
                f"{other.folder}: '{key}' is not as in {first.folder}; only models of one shape can be merged"
                + ("" if other is base else " (of models with other words added, none is the other's continuation)")
            )


def check_words(places: Sequence[str]) -> None:
    """Raises MergeError when two models have one word under different numbers: their rows would be mixed up."""
    known: dict[str, int] = {}
    for place in places:
        vocabulary = loading.load_tokenizer(place).get_vocab()
        for token, number in vocabulary.items():
            if known.setdefault(token, number) != number:
                raise MergeError(
                    f"{place}: '{token}' is token {number} here and {known[token]} in another of the models; models are "
                    "merged that were trained from one base, or from one extend stage"
                )


def slerp(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    """The point at ``share`` of the arc from ``first`` to ``second``, both seen as vectors (Shoemake 1985, section 3.3).

    Nearly parallel ones, between which no arc is known, are joined by a straight line.
    """
    cosine = torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), dim=0).clamp(-1, 1)
    if 1 - cosine.abs() < 1e-6:
        return torch.lerp(first, second, share)
    angle = torch.acos(cosine)
    return (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / torch.sin(angle)


def joined(stage: MergeStage, parts: list[torch.Tensor], base: torch.Tensor | None, key_seed: int) -> torch.Tensor:
    """The merged tensor of ``parts``, one of each model in the order of ``stage.models``, all of one shape.

    ``key_seed`` is of the random choice of the methods that have one.
    """
    weights = torch.tensor(list(stage.models.values()))
    shares = weights / weights.sum()
    if stage.method == "slerp":
        return slerp(parts[0], parts[1], float(shares[1]))
    if base is None:
        mean: torch.Tensor = merge_utils.task_arithmetic(parts, shares)  # a weighted sum
        return mean
    tasks = [part - base for part in parts]
    how = {} if stage.density is None else {"density": stage.density}
    if stage.method.endswith("ties"):
        how["majority_sign_method"] = stage.majority_sign_method  # type: ignore[assignment]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key_seed)
        learnt: torch.Tensor = getattr(merge_utils, stage.method)(tasks, weights, **how)
    return base + learnt


@torch.no_grad()
def merge(stage: MergeStage, seed: int, places: dict[str, str], draft: Draft, shard_size: str = "2GB") -> None:
    """Writes the merge of the models at ``places`` (name to folder; the stage's ``base`` as well) to ``draft``.

    The tokenizer, the chat template and the config are those of the last model named. The weights are in bfloat16, in files of
    ``shard_size`` at most. ``seed`` is the recipe's, used where the stage has none.
    """
    last = places[list(stage.models)[-1]]
    folder = draft.folder / "model"
    check_words(list(dict.fromkeys(places.values())))
    config = AutoConfig.from_pretrained(last, **model_sources.loading(last, weights=False))
    rows = int(config.get_text_config().vocab_size)
    with ExitStack() as stack:
        models = [Weights(places[name], stack) for name in stage.models]
        base = Weights(places[stage.base], stack) if stage.base is not None else None
        check_shapes(models, base, rows)

        def merged(key: str) -> torch.Tensor:
            parts = [model.read(key).float() for model in models]
            old = base.read(key).float() if base is not None else None
            own = seed if stage.seed is None else stage.seed
            number = int.from_bytes(hashlib.sha256(f"{own}/{key}".encode()).digest()[:7], "big")
            if old is None or old.shape == parts[0].shape:
                return joined(stage, parts, old, number)
            known = min(len(old), len(parts[0]))
            new = MergeStage(kind="merge", models=stage.models)
            return torch.cat(
                [
                    joined(stage, [part[:known] for part in parts], old[:known], number),
                    joined(new, [part[known:] for part in parts], None, number),
                ]
            )

        sizes = {key: 2 * torch.Size(models[0].shape(key)).numel() for key in models[0].files}  # bytes
        files = write_shards(folder, sizes, lambda key: merged(key).to(torch.bfloat16), shard_size)
        more = max((models[0].shape(key)[0] - base.shape(key)[0] for key in base.files), default=0) if base else 0
    tokenizer = loading.load_tokenizer(last)
    tokenizer.save_pretrained(folder)
    config.dtype = torch.bfloat16
    config.save_pretrained(folder)
    if (Path(last) / "generation_config.json").is_file():
        generation = GenerationConfig.from_pretrained(last)
        generation.eos_token_id = training.stop_tokens(tokenizer)
        generation.save_pretrained(folder)
    total = sum(stage.models.values()) if base is None else 1.0
    draft.metrics = {
        "method": stage.method,
        "weights": {name: weight / total for name, weight in stage.models.items()},
        "tensors": len(sizes),
        "files": len(files),
        "rows_without_base": more,
    }
