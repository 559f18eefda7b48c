"""How alike two texts are by their tokens' embeddings: BERTScore's formula with any local model.

Zhang et al. 2020, "BERTScore: Evaluating Text Generation with BERT" (arXiv:1904.09675), section 3: each token of one text is matched with the token
of the other that it is most like by cosine; recall is the mean over the reference's tokens, precision over the answer's, F1 their harmonic mean.
Tokens count alike (no inverse document frequencies), the values are not rescaled by a baseline, and special tokens are left out on both
sides. Values of two models, or of two layers, are not on one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from corpora.errors import OslerError


@dataclass(frozen=True)
class Match:
    """How much of the answer is in the reference (precision), and the other way round (recall)."""

    precision: float
    recall: float
    f1: float


def greedy_match(answer: torch.Tensor, reference: torch.Tensor) -> Match:
    """BERTScore of the tokens' embeddings, ``[tokens, size]`` each; all 0 where a side has no token."""
    if not len(answer) or not len(reference):
        return Match(0.0, 0.0, 0.0)
    alike = normalize(answer.float(), dim=-1) @ normalize(reference.float(), dim=-1).T
    precision, recall = float(alike.max(dim=1).values.mean()), float(alike.max(dim=0).values.mean())
    return Match(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0)


class Similarity:
    """A local model whose hidden states are compared."""

    def __init__(self, folder: Path, layer: int = -1, batch_size: int = 16) -> None:
        """Loads the model from a folder; nothing is fetched.

        Args:
            folder: of an encoder or a decoder with its tokenizer.
            layer: whose hidden states are taken, 0 for the embeddings, -1 for the last.
            batch_size: texts computed at once.

        Raises:
            OslerError: the folder holds no model that transformers can load, or it has no such layer.
        """
        from transformers import AutoModel, AutoTokenizer

        from evals.engines import weights_fingerprint

        if not (folder / "config.json").is_file():
            raise OslerError(
                f"{folder}: no model is here (no config.json); --similarity names the folder of a local model, as of a BERT"
            )
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
        except (OSError, ValueError, KeyError) as error:
            raise OslerError(f"{folder}: transformers cannot load this model: {error}") from error
        layers = int(self._model.config.num_hidden_layers)
        if not -layers - 1 <= layer <= layers:
            raise OslerError(f"{folder}: the model has {layers} layers, and layer {layer} is none of them")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        # Beyond so many tokens a text is cut off.
        self.longest = min(int(getattr(self._model.config, "max_position_embeddings", 512)), 2048)
        if self._model.config.model_type in ("roberta", "xlm-roberta", "camembert"):
            self.longest -= 2  # their positions begin behind the padding's
        self._layer, self._batch_size = layer, batch_size
        self.name = f"{folder.name}, layer {layer}, {weights_fingerprint(folder)[:12]}"

    @torch.inference_mode()
    def embedded(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """The hidden states of each text's tokens, ``[tokens, size]``, without special tokens."""
        found: list[torch.Tensor] = [torch.empty(0, 1)] * len(texts)
        order = sorted(
            (place for place, text in enumerate(texts) if text.strip()), key=lambda place: -len(texts[place])
        )
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size]
            batch = self._tokenizer(
                [texts[place] for place in places],
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=self.longest,
                return_special_tokens_mask=True,
            )
            special = batch.pop("special_tokens_mask").bool()
            kept = batch["attention_mask"].bool() & ~special
            batch.pop("token_type_ids", None)
            states = self._model(**batch, output_hidden_states=True).hidden_states[self._layer]
            for row, place in enumerate(places):
                found[place] = states[row][kept[row]]
        return found

    def matches(self, answers: Sequence[str], references: Sequence[Sequence[str]]) -> list[Match]:
        """Each answer against its references; that with the highest F1 counts.

        Raises:
            ValueError: an answer has no reference.
        """
        if any(not its for its in references):
            raise ValueError("similarity needs a reference for each answer")
        found = []
        pairs = list(zip(answers, references, strict=True))
        for start in range(0, len(pairs), self._batch_size):  # long texts of many pairs at once would fill the memory
            some = pairs[start : start + self._batch_size]
            states = iter(self.embedded([text for answer, its in some for text in (answer, *its)]))
            for _, its in some:
                answer = next(states)
                found.append(max((greedy_match(answer, next(states)) for _ in its), key=lambda match: match.f1))
        return found
