"""The last step of a run: serve the model with vLLM, ask it through LangChain, stop it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from pipelines.artifact import Draft
from pipelines.config import Serve
from serving.clients import chat_model, stream_answer
from serving.vllm.start import serving


def serve(block: Serve, model_path: str | Path, draft: Draft) -> None:
    """Asks the recipe's questions and writes ``turns.json``. Raises ServerError."""
    turns = []
    with serving(model_path, flags=block.vllm) as server:
        client = chat_model(server.url)
        for question in block.questions:
            started = time.perf_counter()
            answer = "".join(stream_answer(client, question))
            turns.append({"question": question, "answer": answer, "seconds": round(time.perf_counter() - started, 3)})
        memory, start_seconds = server.peak_memory_gib, server.start_seconds
    (draft.folder / "turns.json").write_text(json.dumps(turns, indent=1, ensure_ascii=False), encoding="utf-8")
    draft.metrics = {
        "turns": turns,
        "vllm_start_seconds": round(start_seconds, 1),
        "vllm_memory_gib": round(memory, 2),
    }
