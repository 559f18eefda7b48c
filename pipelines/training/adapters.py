"""Adapters by PEFT (LoRA, DoRA, ...), the base that they are trained beside, in full or in few bits, and their merge into it.

A stage trains the whole model (no ``lora``), an adapter beside the frozen model (``lora``: Hu et al. 2021,
https://arxiv.org/abs/2106.09685; with ``use_dora`` Liu et al. 2024, https://arxiv.org/abs/2402.09353), or an adapter beside a
model of 4 or 8 bits (``quantization`` as well: QLoRA, Dettmers et al. 2023, https://arxiv.org/abs/2305.14314), which
bitsandbytes runs on GPUs and on processors. What leaves a stage is the adapter in ``adapter/`` and the merged model in
``model/``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from pipelines import loading
from pipelines.config import AdapterStage, Lora, Quantization
from pipelines.training import sharding, varlen
from serving.hardware import fast_bfloat16, has_gpu, inference_dtype

# Share of the greatest logit by which the merged model may differ from base and adapter. Both are computed in float32, where
# only the order of sums differs (a few 1e-7); a merge into rounded weights, or of half an adapter, moves the logits by percents.
# The model is saved in bfloat16, whose last place is 4e-3, so that nothing below this bound can be seen afterwards.
TOLERANCE = 1e-3
ROWS, TOKENS = 4, 32  # on which the two are compared


def lora_config(lora: Lora | None, task_type: str = "CAUSAL_LM") -> peft.LoraConfig | None:
    """PEFT's config of the adapter that a recipe asks for.

    Raises:
        TrainingError: PEFT refuses a value.
    """
    if lora is None:
        return None
    try:
        return peft.LoraConfig(task_type=task_type, **lora.model_dump())
    except (TypeError, ValueError) as error:
        raise loading.TrainingError(f"the lora block: {error}") from error


def quantization_config(quantization: Quantization) -> BitsAndBytesConfig:
    """The config, of transformers' own class, of the rounding that a recipe asks for."""
    given = quantization.model_dump()
    return BitsAndBytesConfig(
        **{**given, "bnb_4bit_compute_dtype": given["bnb_4bit_compute_dtype"] or inference_dtype()}
    )


def packed_attention(stage: AdapterStage) -> str:
    """Which attention sees the rows of a packed batch one by one, at a cost that grows with their own lengths.

    torch's own kernel for rows of varying lengths where it runs and the stage computes in half precision; flex_attention otherwise, which
    leaves out the blocks of other rows.
    """
    half = stage.training.get("bf16", fast_bfloat16()) or stage.training.get("fp16", False)
    return varlen.NAME if half and varlen.works() else "flex_attention"


def load_base(
    source: str | Path, stage: AdapterStage, read: Callable[..., PreTrainedModel] = loading.load_model
) -> PreTrainedModel:
    """The model that a stage trains, or trains an adapter beside: whole, or rounded as the recipe says, with its attention.

    What is trained is float32: bfloat16 has 8 bits for a weight, and an update of less than a part in 256 of it is lost. What an adapter
    leaves as it is may be bfloat16 on a GPU.

    Raises:
        TrainingError: there is no model at ``source``, or bitsandbytes, which rounds it, is missing or cannot work here.
    """
    quantization = stage.quantization
    given: dict[str, Any] = {"dtype": torch.bfloat16 if stage.lora is not None and has_gpu() else torch.float32}
    attention = stage.attention or (packed_attention(stage) if stage.training.get("packing") and has_gpu() else None)
    if attention is not None:
        given["attn_implementation"] = attention
    if quantization is None:
        return read(source, **given)
    try:
        model = read(source, **given, quantization_config=quantization_config(quantization))
    except (ImportError, RuntimeError) as error:
        raise loading.TrainingError(
            f"quantization: bitsandbytes cannot round {source} here: {error}; install it with `pip install bitsandbytes`, or "
            "leave quantization out and train the adapter beside the whole model"
        ) from error
    for module in model.modules():
        # A processor with AVX-512's bfloat16 packs the weights for answering at the first pass outside training (a reference's
        # log-probabilities), and through packed weights bitsandbytes passes no gradient back.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def widen(model: torch.nn.Module) -> None:
    """Puts the modules that are trained whole beside an adapter (``modules_to_save``, a reward model's head) into float32.

    Beside rounded weights TRL turns all that is trained into bfloat16, as QLoRA does; PEFT gives an adapter its inputs in that
    format, but not such a module, whose updates bfloat16 would round away besides.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and ".modules_to_save." in name:
            parameter.data = parameter.data.float()


def _write(model: peft.PeftModel, folder: Path) -> None:
    """Writes the adapter so that two runs write the same bytes and none of this machine's paths."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink()  # an empty card
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for key in ("target_modules", "exclude_modules"):  # sets, which PEFT writes in any order
        if isinstance(config[key], list):
            config[key].sort()
    if Path(config["base_model_name_or_path"]).exists():
        config["base_model_name_or_path"] = None  # the stage's manifest says which it was
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


@torch.no_grad()
def merged(
    model: Any, folder: Path, read_base: Callable[[], PreTrainedModel]
) -> tuple[PreTrainedModel | None, dict[str, float]]:
    """The trained model with its adapter, if it has one, added into the base's weights; and the figures of the merge.

    The adapter is written to ``folder`` and read again beside the base as it is on disk: an adapter that was trained beside
    rounded weights is added to the unrounded ones, and what is published is what was measured. ``model`` is of no use
    afterwards: its memory is given to the base.

    Args:
        model: what the trainer trained.
        folder: where the adapter goes.
        read_base: reads the base, whole.

    Returns:
        The merged model in float32 and ``merge_difference``, the greatest difference between its logits and those of base and
        adapter, with ``greatest_logit`` beside it; or ``model`` itself and nothing, where there is no adapter. Of several processes
        all have to call it, and all but the first get None and nothing.

    Raises:
        TrainingError: the difference is beyond ``TOLERANCE``.
    """
    if not isinstance(model, peft.PeftModel):
        return model, {}
    model = sharding.whole(model)
    if model is None:
        return None, {}
    rounded = getattr(model.get_base_model(), "quantization_method", None) is not None
    words = model.get_input_embeddings().weight.shape[0]
    _write(model, folder)
    if not rounded:
        model.to("meta")
    base = read_base().float()
    if base.get_input_embeddings().weight.shape[0] != words:
        base.resize_token_embeddings(words)  # the chat template brought tokens; their rows are in the adapter
    whole = peft.PeftModel.from_pretrained(base, folder).eval()
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(base.config.get_text_config().vocab_size, (ROWS, TOKENS), generator=generator)
    before = whole(input_ids=ids).logits
    found: PreTrainedModel = whole.merge_and_unload().eval()
    difference = float((found(input_ids=ids).logits - before).abs().max())
    greatest = float(before.abs().max())
    if not difference <= TOLERANCE * greatest:
        raise loading.TrainingError(
            f"{folder}: the merged model's logits differ by {difference:.2g} from those of base and adapter, of which the "
            f"greatest is {greatest:.3g}; this adapter cannot be merged as it is: change the lora block"
        )
    return found, {"merge_difference": difference, "greatest_logit": round(greatest, 3)}
