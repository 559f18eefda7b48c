"""What the gateway costs: the same load on vLLM alone and through the door, in turns, and a thousand clients at once.

    python benchmarks/gateway.py                    # the bundled base on this machine: about 6 minutes on two cores
    python benchmarks/gateway.py --model MODEL --clients 1 8 --requests 4 --rounds 1
    python benchmarks/gateway.py --apart            # vLLM on one half of the cores, the door and the clients on the other
    python benchmarks/gateway.py --size Qwen/Qwen3-0.6B --crowd 0    # random weights of a real size

One real vLLM, one real `osler gateway` in front of it. Rates, times to the first token and between tokens are measured by vLLM's own
benchmark client (``vllm.benchmarks.serve``, streamed chat, greedy answers of a fixed number of tokens), first of one, then of the other, the
first of a pair changing. Then a thousand clients ask at once, each for a nonce of its own, which a JSON schema makes the model's only answer: an answer with
another's nonce was crossed. Who is refused for capacity waits as Retry-After says, and asks again. Writes results/gateway.json and .md.

On a processor the door takes its time from the cores on which vLLM computes. Beside a GPU it has cores of its own, and ``--apart`` is as near as a
processor comes to that; it writes results/gateway-apart.json and .md. What a request takes of the door does not depend on the model: the processor
time of the door's process is told beside its wall times, which waver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from memory import RESULTS, make_model, processor

Row = dict[str, Any]
CLIENT = """
import argparse
from vllm.benchmarks.serve import add_cli_args, main
parser = argparse.ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
MEASURES = ("ttft", "itl", "e2el")  # to the first token, between tokens, of the whole answer; in milliseconds
WARM = 16  # requests before those that are timed, at most
BASE = Path(__file__).parent.parent / "pipelines" / "models" / "osler-nano-base"
QUESTIONS = ("What is {}?", "How is {} treated?", "Who gets {}?", "What are the signs of {}?")


def write_prompts(path: Path, count: int) -> None:
    """Questions on the bundled facts, one a line, as vLLM's client reads them."""
    from corpora.bundled.knowledge import load_knowledge

    names = [one.name for one in load_knowledge().conditions]
    lines = (QUESTIONS[n % len(QUESTIONS)].format(names[n % len(names)]) for n in range(count))
    path.write_text("".join(json.dumps({"prompt": line}) + "\n" for line in lines), encoding="utf-8")


@contextmanager
def door(upstream: str, folder: Path) -> Iterator[tuple[str, str, int]]:
    """`osler gateway` in front of ``upstream``: its address, a key without bounds that matter here, and its process."""
    from serving.addresses import free_port

    port, keys = free_port(), folder / "keys.json"
    command = [sys.executable, "-m", "pipelines.cli"]
    wide = ["--requests-per-minute", "1000000", "--tokens-per-minute", "1000000000"]
    made = subprocess.run(
        [*command, "keys", "add", "bench", "--keys", str(keys), *wide], check=True, capture_output=True, text=True
    )
    key = made.stdout.strip()
    words = ["gateway", "--upstream", upstream, "--port", str(port), "--keys", str(keys)]
    with (folder / "door.log").open("wb") as log:
        process = subprocess.Popen([*command, *words, "--audit", str(folder / "audit.jsonl")], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                if httpx.get(f"{address}/health", timeout=1).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        else:
            raise SystemExit(f"the door did not open:\n{(folder / 'door.log').read_text()[-2000:]}")
        yield address, key, process.pid
    finally:
        process.terminate()
        process.wait(30)


def make_speaking_model(size: str, folder: Path) -> Path:
    """Random weights of a known base whose every greedy token has a text.

    The base's vocabulary is larger than the bundled tokenizer's, and a token without a text would be a piece of the stream that
    costs the door less. Its embedding, which is the row of its logit as well, is zero, below the best of thousands at random.

    Raises:
        SystemExit: the base has rows of logits of their own, or weights in several files.
    """
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    make_model(size, folder)
    path = folder / "model.safetensors"
    if not path.exists() or not json.loads((folder / "config.json").read_text())["tie_word_embeddings"]:
        raise SystemExit(f"--size {size} is too large here; take one of Qwen/Qwen3-0.6B, Qwen/Qwen3-1.7B")
    tensors = load_file(path)
    tensors["model.embed_tokens.weight"][len(AutoTokenizer.from_pretrained(folder)) :] = 0
    save_file(tensors, path, {"format": "pt"})
    return folder


def processor_seconds(process: int) -> float:
    """What a process has used of the processor until now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system: proc(5)


def load(address: str, key: str, model: Path, prompts: Path, clients: int, requests: int, tokens: int) -> Row:
    """One run of vLLM's client: ``requests`` chats by so many clients at once."""
    with tempfile.TemporaryDirectory() as place:
        words = ["--backend", "openai-chat", "--endpoint", "/v1/chat/completions", "--base-url", address]
        words += [
            "--model",
            "osler",
            "--tokenizer",
            str(model),
            "--dataset-name",
            "custom",
            "--dataset-path",
            str(prompts),
        ]
        words += ["--custom-output-len", str(tokens), "--skip-chat-template", "--disable-shuffle", "--temperature", "0"]
        words += [
            "--num-prompts",
            str(requests),
            "--max-concurrency",
            str(clients),
            "--num-warmups",
            str(min(clients, WARM)),
        ]
        words += ["--percentile-metrics", ",".join(MEASURES), "--metric-percentiles", "50,99", "--disable-tqdm"]
        words += ["--save-result", "--result-dir", place, "--result-filename", "run.json"]
        environment = {**os.environ, "OPENAI_API_KEY": key}
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, *words], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode:
            raise SystemExit(f"vLLM's client ended with {done.returncode}:\n{(done.stderr or done.stdout)[-3000:]}")
        found: Row = json.loads((Path(place) / "run.json").read_text())
    if found.get("failed") or found["completed"] != requests:
        raise SystemExit(f"{requests - found['completed']} of {requests} requests failed at {address}")
    kept = {"tokens_per_second": found["output_throughput"], "requests_per_second": found["request_throughput"]}
    for measure in MEASURES:
        kept |= {f"{at}_{measure}": found[f"{at}_{measure}_ms"] for at in ("mean", "p50", "p99")}
    return kept


def median_of(runs: list[Row]) -> Row:
    """Each figure's median over the runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


async def ask_nonce(client: httpx.AsyncClient, nonce: str, others: set[str], found: Row) -> None:
    """Asks until answered, for ten minutes at most, and notes how it went."""
    schema = {"type": "object", "properties": {"nonce": {"enum": [nonce]}}, "required": ["nonce"]}
    body = {
        "model": "osler",
        "messages": [{"role": "user", "content": f"Say {nonce}."}],
        "max_tokens": 48,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "nonce", "schema": schema}},
    }
    started = time.monotonic()
    while time.monotonic() - started < 600:
        try:
            answer = await client.post("/v1/chat/completions", json=body)
        except httpx.HTTPError as error:
            found["errors"].append(f"{type(error).__name__} {error}")
            return
        if answer.status_code == 429:
            found["refused"] += 1
            wait = answer.headers.get("retry-after", "")
            found["without_retry_after"] += not wait.isdigit()
            await asyncio.sleep(float(wait or 1))
            continue
        if answer.status_code != 200:
            found["errors"].append(f"{answer.status_code} {answer.text[:200]}")
            return
        said = answer.json()["choices"][0]["message"]["content"]
        found["seconds"].append(time.monotonic() - started)
        told = set(re.findall(r"\b[0-9a-f]{12}\b", said)) & others
        if told == {nonce}:
            found["own"] += 1
        elif told:
            found["crossed"] += 1
        else:
            found["unreadable"].append(said[:200])
        return
    found["hung"] += 1


async def nonces(address: str, key: str, count: int) -> Row:
    """So many clients at once, each with a connection and a nonce of its own."""
    found: Row = {"clients": count, "own": 0, "crossed": 0, "hung": 0, "refused": 0, "without_retry_after": 0}
    found |= {"errors": [], "unreadable": [], "seconds": []}
    limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=600) as client:
        issued = {secrets.token_hex(6) for _ in range(count)}
        await asyncio.gather(*(ask_nonce(client, nonce, issued, found) for nonce in issued))
    seconds = found.pop("seconds")
    return {
        **found,
        "longest_seconds": max(seconds, default=0.0),
        "median_seconds": statistics.median(seconds or [0.0]),
    }


def halves() -> tuple[set[int], set[int]]:
    """The cores of this process in two halves: vLLM's, and those of the door and its clients.

    Raises:
        SystemExit: there is one core alone.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("--apart needs two cores: one for vLLM, one for the door and its clients")
    return set(cores[: len(cores) // 2]), set(cores[len(cores) // 2 :])


def write(rows: list[Row], crowd: Row | None, about: Row) -> None:
    """The results as JSON and as a page."""
    RESULTS.mkdir(exist_ok=True)
    options = (" --apart" if about["apart"] else "") + (f" --size {about['size']}" if about["size"] else "")
    parts = ["gateway", "apart" if about["apart"] else "", about["size"].rpartition("/")[2].lower()]
    name = "-".join(filter(None, parts))
    where = (
        "vLLM on one half of the cores, client and door on the other"
        if about["apart"]
        else "client, door and vLLM on the same cores"
    )
    (RESULTS / f"{name}.json").write_text(
        json.dumps({"about": about, "load": rows, "crowd": crowd}, indent=1) + "\n", encoding="utf-8"
    )
    lines = [
        "# What the gateway costs" + (", on cores of its own" if about["apart"] else ""),
        "",
        f"Made by `benchmarks/gateway.py{options}` on {about['cores']} cores of {about['processor']}: {about['model']}, answers of {about['tokens']} tokens, "
        f"{where}. Medians of {about['rounds']} runs each, in turns; milliseconds.",
        "",
        "| clients | tokens/s, vLLM | through the door | less by | first token, median | door | p99 | door | between tokens, median | door | p99 | door | the door's processor time a request |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        bare, through = row["bare"], row["door"]
        less = 1 - through["tokens_per_second"] / bare["tokens_per_second"]
        cells = [
            str(row["clients"]),
            f"{bare['tokens_per_second']:,.0f}",
            f"{through['tokens_per_second']:,.0f}",
            f"{less:.1%}",
        ]
        for measure in ("ttft", "itl"):
            for at in ("p50", "p99"):
                cells += [f"{side[f'{at}_{measure}']:.1f}" for side in (bare, through)]
        cells.append(f"{through['door_ms']:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    if crowd is not None:
        lines += [
            "",
            f"{crowd['clients']:,} clients at once, each for a nonce of its own: {crowd['own']:,} got it, {crowd['crossed']} got another's, {crowd['hung']} hung, "
            f"{len(crowd['errors'])} got an error, {len(crowd['unreadable'])} an answer without a nonce. Refused for capacity {crowd['refused']:,} times, "
            f"{crowd['without_retry_after']} of them without Retry-After. The median answer took {crowd['median_seconds']:.1f} s with all waiting, the last {crowd['longest_seconds']:.1f} s.",
        ]
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measures, and writes the results after every step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model's folder; the bundled base by default")
    parser.add_argument(
        "--size", default="", help="in place of --model: a known base, such as Qwen/Qwen3-0.6B, with random weights"
    )
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 64, 256])
    parser.add_argument("--requests", type=int, default=4, help="of each client; 32 in all at least")
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--crowd", type=int, default=1000, help="clients that ask at once; 0 for none")
    parser.add_argument(
        "--apart", action="store_true", help="vLLM on one half of the cores, the door and the clients on the other"
    )
    given = parser.parse_args()

    from serving.vllm.start import prepared, running

    about = {
        "cores": os.cpu_count(),
        "processor": processor(),
        "model": f"{given.size} with random weights" if given.size else (given.model or BASE).name,
        "size": given.size,
        "tokens": given.tokens,
        "rounds": given.rounds,
        "apart": given.apart,
    }
    if given.apart:
        of_vllm, of_the_rest = halves()
        os.sched_setaffinity(0, of_vllm)  # what is started takes it over
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = make_speaking_model(given.size, folder / "model") if given.size else given.model or BASE
        server = stack.enter_context(running(prepared(model, roomy=True)))
        if given.apart:
            os.sched_setaffinity(0, of_the_rest)
        bare = server.url.removesuffix("/v1")
        with door(bare, folder) as (address, key, process):
            sides = {"bare": (bare, "none"), "door": (address, key)}
            for clients in given.clients:
                requests, prompts = max(32, clients * given.requests), folder / "prompts.jsonl"
                write_prompts(prompts, requests)
                runs: dict[str, list[Row]] = {"bare": [], "door": []}
                for number in range(given.rounds):
                    for side in ("bare", "door") if number % 2 == 0 else ("door", "bare"):
                        before = processor_seconds(process)
                        found = load(*sides[side], model, prompts, clients, requests, given.tokens)
                        asked = requests + min(clients, WARM)
                        found["door_ms"] = 1000 * (processor_seconds(process) - before) / asked
                        runs[side].append(found)
                        print(json.dumps({"clients": clients, "side": side, **runs[side][-1]}), flush=True)
                rows.append(
                    {"clients": clients, **{side: median_of(found) for side, found in runs.items()}, "runs": runs}
                )
                write(rows, None, about)
            if given.crowd:
                crowd = asyncio.run(nonces(address, key, given.crowd))
                print(json.dumps(crowd), flush=True)
                write(rows, crowd, about)


if __name__ == "__main__":
    main()
