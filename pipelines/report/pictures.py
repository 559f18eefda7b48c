"""The pictures of a run's report: the losses of its stages, and the accuracy of its models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.artifact import Artifact

# The unit of the loss curve of a kind of stage, where it is not nats per token.
LOSS = {"dpo": "DPO loss", "kto": "KTO loss", "orpo": "ORPO loss", "reward": "reward loss, nats per pair"}


def draw_losses(artifacts: dict[str, Artifact], path: Path) -> bool:
    """A curve of the loss for each stage that trains, of the rewards for one of kind grpo; False when there is none."""
    rewarded = {name: artifact.metrics["rewards"] for name, artifact in artifacts.items() if artifact.kind == "grpo"}
    trained = {
        name: artifact.metrics["losses"]
        for name, artifact in artifacts.items()
        if artifact.metrics.get("losses") and name not in rewarded
    }
    if not trained and not rewarded:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    count = len(trained) + len(rewarded)
    figure, axes = pyplot.subplots(1, count, figsize=(4.2 * count, 3.2), squeeze=False, layout="constrained")
    # The loss of GRPO is near zero whatever is learnt: its advantages have a mean of zero.
    for axis, (name, steps) in zip(axes[0][len(trained) :], rewarded.items(), strict=True):
        for verifier in artifacts[name].manifest["given"]["config"]["rewards"]:
            points = [(step["step"], step[verifier]) for step in steps if verifier in step]
            axis.plot(*zip(*points, strict=True), label=verifier)
        axis.set(title=name, xlabel="step", ylabel="mean reward", ylim=(0, 1.02))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    for axis, (name, losses) in zip(axes[0][: len(trained)], trained.items(), strict=True):
        axis.plot([point["step"] for point in losses], [point["loss"] for point in losses], color="#2a6f97")
        axis.set(
            title=name,
            xlabel="step",
            ylabel=LOSS.get(artifacts[name].kind, "loss, nats per token"),
        )
        axis.set_ylim(0, 1.05 * max(point["loss"] for point in losses))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return True


def draw_exam(results: dict[str, dict[str, Any]], name: str, path: Path) -> None:
    """Accuracy of each model on one set of items with its interval, by part, and the line of chance."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    models = [model for model, result in results.items() if name in result["items"]]
    scores = [results[model]["items"][name] for model in models]
    labels = {"all": "all items", "dialogues": "taught in dialogues", "documents_only": "taught in documents only"}
    shown = [part for part in labels if part in scores[0]]
    colours = {"all": "#1c2733", "dialogues": "#2a9d8f", "documents_only": "#e07a1f"}
    figure, axis = pyplot.subplots(figsize=(7.5, 3.8), layout="constrained")
    for number, part in enumerate(shown):
        places = [place + (number - (len(shown) - 1) / 2) * 0.12 for place in range(len(models))]
        values = [100 * score[part]["share"] for score in scores]
        below = [100 * (score[part]["share"] - score[part]["low"]) for score in scores]
        above = [100 * (score[part]["high"] - score[part]["share"]) for score in scores]
        axis.errorbar(places, values, yerr=[below, above], fmt="o", capsize=3, color=colours[part], label=labels[part])
    axis.axhline(100 * scores[0]["chance"], linestyle="--", color="#999999", linewidth=1, label="chance")
    axis.set_xticks(range(len(models)), models)
    axis.set(ylabel="accuracy, % (95% interval)", ylim=(0, 100), title=name)
    axis.grid(axis="y", alpha=0.3)
    axis.legend(loc="upper left", fontsize=8)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
