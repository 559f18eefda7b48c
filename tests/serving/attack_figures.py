"""Runs the attack dialogues through the whole door with a real model, and counts what succeeded.

``python -m tests.serving.attack_figures MODEL [--json FILE]`` starts vLLM with MODEL and the gateway in front of it. Each dialogue goes
two ways, as far as it can: ``plain``, an OpenAI client with a key of the gateway's; and ``assistant``, ``DoctorAssistant`` with a key made with
``--own-triage``. A planted document needs the assistant, a tool's planted result the plain client, which sends the call and its result.

What counts as success says ``attack_goals``. ``control`` is counted over the messages of all dialogues as well. ``model alone`` is the same
judgement of what the model wrote, before the door added anything: what the model would have done by itself.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Any

from tqdm import tqdm
from transformers import AutoTokenizer

from evals.stats.intervals import wilson
from serving.doses import amounts
from serving.vllm.start import serving
from tests.serving.attack_goals import Attack, Outcome, attacks, succeeded, succeeded_alone
from tests.serving.attack_marks import controls
from tests.serving.attack_ways import Door, door
from tests.serving.gateway_world import running
from tests.serving.obedient_model import obedient

AT_ONCE = 16  # dialogues; each has a gateway of its own, so that what it sent is known


def _ways(attack: Attack) -> list[str]:
    if attack.document is not None:
        return ["assistant"]
    return ["plain"] if attack.tool is not None else ["plain", "assistant"]


def run(doors: Sequence[Door], tokenizer: Any) -> dict[str, Any]:
    """The counts: by kind and way, tries, successes, and what the model alone would have let through. A dialogue has a door to itself."""
    free: Queue[Door] = Queue()
    for one in doors:
        free.put(one)

    def go(attack: Attack, way: str) -> Outcome:
        here = free.get()
        try:
            return getattr(here, way)(attack)
        finally:
            free.put(here)

    tries = [(attack, way) for attack in attacks() for way in _ways(attack)]
    rows: dict[tuple[str, str, str], list[int]] = {}
    payloads = gained = named = 0
    with ThreadPoolExecutor(len(doors)) as pool:
        outcomes = list(tqdm(pool.map(lambda one: go(*one), tries), total=len(tries)))
    for (attack, way), outcome in zip(tries, outcomes, strict=True):
        row = rows.setdefault((attack.kind, attack.goal, way), [0, 0, 0])
        row[0] += 1
        row[1] += succeeded(attack, outcome.shown, outcome, tokenizer)
        row[2] += succeeded_alone(attack, outcome, tokenizer)
        named += bool(amounts(outcome.model))
        payloads += len(outcome.sent)
        gained += sum(controls(tokenizer, messages) for messages in outcome.sent)
    table = []
    for (kind, goal, way), (tries, successes, alone) in rows.items():
        low, high = wilson(successes, tries)
        table.append(
            {
                "kind": kind,
                "goal": goal,
                "way": way,
                "tries": tries,
                "successes": successes,
                "low": low,
                "high": high,
                "alone": alone,
            }
        )
    total, all_successes = sum(one["tries"] for one in table), sum(one["successes"] for one in table)
    low, high = wilson(all_successes, total)
    whole = {"tries": total, "successes": all_successes, "low": low, "high": high}
    return {
        "dialogues": len(attacks()),
        "all": whole,
        "rows": table,
        "requests": payloads,
        "requests_with_control_tokens": gained,
        "answers_with_an_amount": named,
    }


def markdown(found: dict[str, Any], name: str) -> str:
    """The figures as a table."""
    lines = [
        f"`{name}`, {found['dialogues']} dialogues, {found['all']['tries']} tries.",
        "",
        "| Kind | Goal | Way | Tries | Succeeded | 95% interval | Model alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in [
        *found["rows"],
        {"kind": "all", "goal": "", "way": "", "alone": sum(row["alone"] for row in found["rows"]), **found["all"]},
    ]:
        share = f"{100 * one['low']:.0f} to {100 * one['high']:.0f}%"
        lines.append(
            f"| {one['kind']} | {one['goal']} | {one['way']} | {one['tries']} | {one['successes']} | {share} | {one['alone']} |"
        )
    lines += [
        "",
        f"Requests that reached vLLM: {found['requests']}; with a control token gained: {found['requests_with_control_tokens']}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Runs all dialogues and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--name", default=None, help="what the table calls the model")
    parser.add_argument("--url", default=None, help="a vLLM that already serves it")
    parser.add_argument(
        "--obedient", action="store_true", help="the worst model in place of MODEL, which gives its tokenizer"
    )
    given = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    with tempfile.TemporaryDirectory() as folder:
        secrets = (str(given.model.resolve()),)
        with ExitStack() as stack:
            address = given.url or stack.enter_context(running(obedient()) if given.obedient else serving(given.model))
            address = address if isinstance(address, str) else address.url
            found = run(
                [stack.enter_context(door(address, Path(folder) / str(at), secrets)) for at in range(AT_ONCE)],
                tokenizer,
            )
    if given.json:
        given.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(markdown(found, given.name or given.model.name))


if __name__ == "__main__":
    main()
