"""The shape of a model, without its weights: how many parameters it has, and where.

The parameters are counted on the model itself, built by transformers from its config on torch's ``meta`` device, which holds shapes and no
numbers. The config is that of a folder, or of a base that ``architectures.yaml`` knows.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from corpora.errors import nearest
from pipelines.config import Lora, RecipeError

KNOWN = Path(__file__).parent / "architectures.yaml"


@dataclass(frozen=True)
class Linear:
    """Linear layers of one name and size that all lie in the model's layers."""

    name: str  # the last part of the module's name, as ``q_proj``
    inputs: int
    outputs: int
    count: int


@dataclass(frozen=True)
class Shape:
    """Sizes of a transformer, in parameters and features."""

    name: str
    source: str  # of its config
    family: Literal["decoder", "encoder"]
    layers: int
    hidden: int
    intermediate: int
    heads: int
    queries: int  # features of all query heads
    keys: int  # features of all key heads, and as many of the value heads
    head_norms: bool  # queries and keys are normalised, head by head (Qwen3)
    vocabulary: int
    parameters: int  # a tied head counted once
    layer: int  # parameters of one layer
    tied: bool
    linears: tuple[Linear, ...]

    @property
    def table(self) -> int:
        """Parameters of the embeddings of tokens, and as many of a head that is not tied to them."""
        return self.vocabulary * self.hidden

    @property
    def multiplied(self) -> int:
        """Parameters that every token is multiplied by: all but the table that is looked up in."""
        return self.parameters if self.tied else self.parameters - self.table

    def extended(self, tokens: int) -> Shape:
        """The shape with so many more tokens in its vocabulary."""
        more = tokens * self.hidden * (1 if self.tied else 2)
        return replace(self, vocabulary=self.vocabulary + tokens, parameters=self.parameters + more)

    def adapter(self, lora: Lora) -> int:
        """Parameters of a LoRA adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685): r for each input and output of a layer.

        DoRA adds the magnitude of each output (Liu et al. 2024, https://arxiv.org/abs/2402.09353).
        """
        wanted, magnitude = lora.target_modules, bool(getattr(lora, "use_dora", False))
        return sum(
            linear.count * (lora.r * (linear.inputs + linear.outputs) + magnitude * linear.outputs)
            for linear in self.linears
            if wanted == "all-linear" or linear.name in ([wanted] if isinstance(wanted, str) else wanted)
        )


@functools.cache
def known() -> dict[str, dict[str, Any]]:
    """The entries of ``architectures.yaml`` by each of their names."""
    raw = yaml.safe_load(KNOWN.read_text(encoding="utf-8"))
    return {name: entry for key, entry in raw.items() for name in (key, *entry["names"])}


def config_of(name: str) -> tuple[dict[str, Any], str]:
    """The config of the model in a folder or of a known base, and where it is from.

    Raises:
        RecipeError: there is no ``config.json`` in the folder, or no such base is known.
    """
    folder = Path(name)
    if folder.is_dir():
        path = folder / "config.json"
        if not path.is_file():
            raise RecipeError(f"{folder}: no model here (a model folder holds config.json)")
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return loaded, str(path)
    if name not in known():
        raise RecipeError(
            f"the shape of '{name}' is not known, and a plan fetches nothing; {nearest(name, list(known()))} Or put the "
            "model's config.json into a folder and name that as base_model"
        )
    entry = known()[name]
    return entry["config"], entry["source"]


@functools.cache
def shape_of(name: str) -> Shape:
    """The shape of a model by the name of its folder or of a known base.

    Raises:
        RecipeError: as ``config_of``, or transformers cannot build the model.
    """
    config, source = config_of(name)
    return built(config, name, source)


def built(config: dict[str, Any], name: str, source: str) -> Shape:
    """The shape of the model that a config describes.

    Raises:
        RecipeError: transformers cannot build it, or it has no layers of a transformer.
    """
    fields = {key: value for key, value in config.items() if key not in ("dtype", "torch_dtype", "quantization_config")}
    kind = fields.pop("model_type", None)
    try:
        whole = AutoConfig.for_model(kind, **fields)
        text = whole.get_text_config()
        encoder = kind is not None and not getattr(text, "is_decoder", False) and hasattr(text, "type_vocab_size")
        with torch.device("meta"):
            model = (AutoModelForMaskedLM if encoder else AutoModelForCausalLM).from_config(whole)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise RecipeError(f"{source}: transformers builds no language model from it: {error}") from error
    layers = _layers(model, text.num_hidden_layers)
    heads = text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    output = model.get_output_embeddings()
    tied = output is None or output.weight is model.get_input_embeddings().weight
    return Shape(
        name=name,
        source=source,
        family="encoder" if encoder else "decoder",
        layers=len(layers),
        hidden=text.hidden_size,
        intermediate=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        heads=heads,
        queries=heads * head,
        keys=(getattr(text, "num_key_value_heads", None) or heads) * head,
        head_norms=any(part.endswith("q_norm") for part, _ in layers[0].named_modules()),
        vocabulary=text.vocab_size,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        layer=sum(parameter.numel() for parameter in layers[0].parameters()),
        tied=tied,
        linears=_linears(layers),
    )


def _layers(model: nn.Module, count: int) -> nn.ModuleList:
    """The list of a model's layers: the one that has as many as the config says."""
    found = [part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part) == count]
    if not found:
        raise RecipeError(f"{type(model).__name__} has no list of {count} layers, which a plan counts by")
    return found[0]


def _linears(layers: nn.ModuleList) -> tuple[Linear, ...]:
    """The linear layers inside the layers, those of one name and size together."""
    counts: dict[tuple[str, int, int], int] = {}
    for name, part in layers.named_modules():
        if isinstance(part, nn.Linear):
            key = (name.rsplit(".", 1)[-1], part.in_features, part.out_features)
            counts[key] = counts.get(key, 0) + 1
    return tuple(Linear(*key, count) for key, count in counts.items())
