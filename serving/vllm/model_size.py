"""How large a model is, by its folder: on disk, in memory, and in the KV cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Weights:
    """What a model folder says of its size; None where it does not say."""

    gib: float  # on disk
    stored_width: int | None  # bytes of a weight on disk; None where they are quantized or of several formats
    heads: int | None
    context: int | None
    cached: int | None  # numbers that one token leaves in the KV cache

    @classmethod
    def of(cls, model: str) -> Weights | None:
        """The size of the model in a folder; None where ``model`` is no folder of one."""
        folder = Path(model)
        if not model:
            return None
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            gib = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**30
        except (OSError, ValueError):
            return None
        if not isinstance(config, dict):
            return None
        inner = config.get("text_config")
        text: dict[str, Any] = inner if isinstance(inner, dict) else config
        layers, heads = text.get("num_hidden_layers"), text.get("num_attention_heads")
        keys = text.get("num_key_value_heads") or heads
        size = text.get("head_dim") or (text.get("hidden_size", 0) // heads if heads else None)
        plain = all(isinstance(one, int) and one for one in (layers, keys, size)) and "kv_lora_rank" not in text
        width = WIDTH.get(str(text.get("dtype") or text.get("torch_dtype") or config.get("dtype")))
        return cls(
            gib,
            None if "quantization_config" in config else width,
            heads,
            text.get("max_position_embeddings"),
            2 * int(layers) * int(keys) * int(size) if plain else None,  # type: ignore[arg-type]
        )

    def loaded_gib(self, width: int) -> float:
        """Memory of the weights when each takes ``width`` bytes; quantized ones stay as they are."""
        return self.gib * width / self.stored_width if self.stored_width else self.gib
