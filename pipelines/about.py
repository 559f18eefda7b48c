"""What a model's folder tells of the model: its size, and what it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from serving.ui.about import SMALL, About

TRAINED = ("cpt", "mlm", "sft", "dpo", "kto", "orpo", "reward", "grpo")  # kinds of stages that train the model
TEACHES_PASSAGES = "bundled-tool-dialogues"  # the corpus whose answers cite passages


def model_of_run(name: str | None) -> str | None:
    """The folder of the model that a run serves, where ``name`` is a run's folder; else ``name``."""
    report = _json(Path(name) / "report.json") if name is not None else {}
    if not report:
        return name
    serve = (report.get("recipe") or {}).get("serve") or {}
    return str(Path(str(name)) / str(serve.get("model", "final")) / "model")


def about_folder(folder: str) -> About:
    """From the files in and above the model's folder; what is not told there stays open."""
    path = Path(folder)
    recipe: dict[str, Any] = _json(path.parent.parent / "report.json").get("recipe") or {}
    # The folder of a stage's model is called "model"; another folder's own name says more.
    name = f"{recipe['name']}/{path.parent.name}" if recipe.get("name") else path.name
    return About(name, _trained_on(recipe), parameters(path))


def _corpora(recipe: dict[str, Any]) -> list[str]:
    """The corpora of the recipe's training stages, each once."""
    stages = (recipe.get("stages") or {}).values()
    names = [
        corpus["name"]
        for stage in stages
        if stage.get("kind") in TRAINED
        for corpus in [*(stage.get("corpora") or ()), *filter(None, [stage.get("preferences")])]
        if isinstance(corpus, dict) and "name" in corpus
    ]
    return list(dict.fromkeys(names))


def _trained_on(recipe: dict[str, Any]) -> str:
    names = _corpora(recipe)
    return f"{', '.join(names)}; base model {recipe.get('base_model', 'unknown')}." if names else ""


def reads_passages(folder: str) -> bool:
    """Whether the model can be expected to answer from passages: it is large, or its run taught it to."""
    path = Path(folder)
    recipe: dict[str, Any] = _json(path.parent.parent / "report.json").get("recipe") or {}
    return TEACHES_PASSAGES in _corpora(recipe) or not 0 < parameters(path) < SMALL


def parameters(folder: Path) -> int:
    """Numbers in the weights of ``folder``; 0 where there are none to count."""
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as weights:  # type: ignore[no-untyped-call]
                for name in weights.keys():  # noqa: SIM118 - the handle is no mapping
                    size = 1
                    for length in weights.get_slice(name).get_shape():
                        size *= length
                    total += size
        except (SafetensorError, OSError):
            return 0
    return total


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
