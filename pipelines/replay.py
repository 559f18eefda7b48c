"""Replay text: what the base model writes when it is left to itself, sampled through vLLM.

Where the text that a base model was trained on is not at hand, its own samples at temperature 1 stand in for it: they follow
the model's distribution, and rehearsing them holds it in place while new text is learnt (Robins 1995, "Catastrophic
forgetting, rehearsal and pseudorehearsal"). Raises ServerError when vLLM cannot be started.
"""

from __future__ import annotations

from pathlib import Path

from corpora.errors import DataError
from corpora.records import Document
from pipelines import loading
from pipelines.artifact import Draft
from pipelines.config import ReplayStage
from serving.vllm.options import on_every_gpu
from serving.vllm.sampling import sample
from serving.vllm.start import serving


def replay(stage: ReplayStage, seed: int, model_path: str | Path, draft: Draft) -> None:
    """Writes ``records.jsonl`` of sampled documents to ``draft``."""
    tokenizer = loading.load_tokenizer(model_path)
    start = tokenizer.bos_token or tokenizer.eos_token
    flags = {"max-model-len": stage.max_tokens + 8, "seed": seed, **on_every_gpu(stage.vllm)}
    with serving(model_path, flags=flags) as server:
        samples = sample(
            server,
            [start] * stage.documents,
            n=1,
            max_tokens=stage.max_tokens,
            temperature=stage.temperature,
            top_p=stage.top_p,
            label="replay",
        )
        memory = server.peak_memory_gib
        started = server.start_seconds
    texts = [drawn[0].text.strip() for drawn in samples]
    texts = [text for text in texts if text]
    if not texts:
        raise DataError(f"{model_path}: the model wrote no text to replay")
    with (draft.folder / "records.jsonl").open("w", encoding="utf-8") as stream:
        for place, text in enumerate(texts):
            record = Document(
                id=f"replay/{place}",
                text=text,
                source=f"sampled from {Path(model_path).name}",
                licence="as the model's",
            )
            stream.write(record.model_dump_json() + "\n")
    draft.metrics = {
        "documents": len(texts),
        "tokens": sum(len(ids) for ids in tokenizer(texts)["input_ids"]),
        "vllm_start_seconds": round(started, 1),
        "vllm_memory_gib": round(memory, 2),
        "samples": texts[:3],
    }
