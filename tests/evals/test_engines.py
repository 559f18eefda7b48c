"""The engines agree with a computation one token at a time, and a server is asked as its protocol has it."""

import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from corpora.errors import OslerError
from evals.asking.cached_engine import CachedEngine
from evals.asking.finished import Finished
from evals.engines import Refusal, weights_fingerprint
from evals.engines.openai import OpenAIEngine, tail_log_prob
from evals.engines.tokens import tokenized
from evals.engines.transformers import TransformersEngine
from evals.exam.task_files import load_task
from pipelines import loading
from tests.evals.one_model_server import OneModel

PAIRS = [
    ("Question: Who?\nA. He\nB. She\nAnswer:", " A"),
    ("Question: Who?\nA. He\nB. She\nAnswer:", " B"),
    ("Question: What is rain?\nAnswer:", " Water that falls from the sky"),
]
MESSAGES = [{"role": "user", "content": "Who?"}]


def one_by_one(model, tokenizer, before: str, after: str) -> float:
    """The chain rule, a forward pass a token."""
    ids, total = tokenizer(before)["input_ids"], 0.0
    for token in tokenizer(before + after)["input_ids"][len(ids) :]:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        total += float(torch.log_softmax(logits.float(), -1)[token])
        ids = [*ids, token]
    return total


@pytest.fixture(scope="module")
def engine(base_model: Path) -> TransformersEngine:
    model = loading.load_model(base_model, training=False, dtype=torch.float32)  # whatever is fastest here
    return TransformersEngine(model, loading.load_tokenizer(base_model), "base", weights_fingerprint(base_model))


def test_transformers_equals_the_chain_rule(engine: TransformersEngine):
    found = engine.log_probs(PAIRS)
    for (before, after), value in zip(PAIRS, found, strict=True):
        assert value == pytest.approx(one_by_one(engine.model, engine.tokenizer, before, after), abs=2e-3)


def test_transformers_writes_up_to_the_stop(engine: TransformersEngine):
    whole, again = engine.generate(["The ferry", "The ferry"], 24, [])
    assert whole == again
    assert len(whole) > 20
    stop = whole[8:11]
    assert engine.generate(["The ferry"], 24, [stop]) == [whole[: whole.index(stop)]]


def test_the_chat_template_is_the_models_own(engine: TransformersEngine):
    assert engine.render(MESSAGES) == "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n"


def test_the_fingerprint_is_of_the_weights(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"one")
    (tmp_path / "README.md").write_text("x")
    first = weights_fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("y")
    assert weights_fingerprint(tmp_path) == first
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert weights_fingerprint(tmp_path) != first


class SpacedTokenizer:
    """Puts a beginning before each text, and writes a word with the space before it, as Llama's tokenizer does."""

    bos_token, eos_token_id = "<s>", 9

    def __call__(self, texts: list[str], add_special_tokens: bool = True) -> dict[str, list[list[int]]]:
        found = []
        for text in texts:
            ids = [ord(letter) for letter in text.removeprefix("<s>")]
            found.append([1, *ids] if add_special_tokens or text.startswith("<s>") else ids)
        return {"input_ids": found}


def test_a_beginning_is_put_once_and_a_last_space_is_the_continuations():
    rows = tokenized(SpacedTokenizer(), [("ab ", "c"), ("<s>ab", " c")])
    assert rows == [([1, 97, 98], [32, 99]), ([1, 97, 98], [32, 99])]


class Handler(OneModel):
    """A server of one model whose tokens are letters; the first try of each path is refused."""

    tried: set[str]
    seen: list[dict]
    wants_completion_tokens: bool  # as OpenAI's reasoning models do
    instead: bytes  # of an answer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.instead:
            self.answer(self.instead)
            return
        if self.path not in self.tried:
            self.tried.add(self.path)
            self.answer({"error": {"message": "busy"}}, 503)
            return
        if self.wants_completion_tokens and "max_tokens" in asked:
            time.sleep(0.3)  # the others are on their way with the same name
            self.answer({"error": {"message": "use 'max_completion_tokens' in place of 'max_tokens'"}}, 400)
            return
        self.seen.append(asked)
        if self.path.endswith("/chat/completions"):
            text = f"The answer is {asked['messages'][-1]['content'][-1]}"
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        elif asked.get("echo"):
            tokens = [*asked["prompt"], "!"]
            values = [None, *[-float(ord(token) % 7) for token in tokens[1:]]]
            shown = {"tokens": tokens, "token_logprobs": values, "top_logprobs": [], "text_offset": []}
            choice = {"index": 0, "finish_reason": "length", "text": "".join(tokens), "logprobs": shown}
        else:
            choice = {"index": 0, "finish_reason": "length", "text": " B\n\nQuestion: more"}
        self.answer({"id": "1", "object": "x", "created": 0, "model": "m", "choices": [choice]})


@pytest.fixture
def url() -> Iterator[str]:
    Handler.tried, Handler.seen, Handler.wants_completion_tokens, Handler.instead = set(), [], False, b""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_a_server_is_asked_for_log_probabilities_text_and_chat_and_again_when_it_is_busy(url: str):
    engine = OpenAIEngine(url, "m")
    assert engine.log_probs([("Answer:", " A"), ("Answer:", " BC")]) == [
        -float(ord(" ") % 7 + ord("A") % 7),
        -float(ord(" ") % 7 + ord("B") % 7 + ord("C") % 7),
    ]
    assert engine.generate(["Q"], 8, ["\n\n"]) == ["B"]
    prompts = [engine.render([{"role": "user", "content": f"Question {letter}"}]) for letter in "ABCDEFGH"]
    assert engine.generate(prompts, 8, []) == [f"The answer is {letter}" for letter in "ABCDEFGH"]
    assert all(asked["temperature"] == 0 for asked in Handler.seen)
    with pytest.raises(OslerError, match="--scoring generative"):
        engine.log_probs([(prompts[0], "A")])


def test_a_model_that_a_server_does_not_have_is_an_error(url: str):
    with pytest.raises(OslerError, match="does not serve 'other'; it serves: m"):
        OpenAIEngine(url, "other")


def test_requests_under_way_at_once_all_learn_the_servers_name_for_the_length(url: str):
    Handler.tried.add("/v1/chat/completions")
    Handler.wants_completion_tokens = True
    engine = OpenAIEngine(url, "m", concurrency=8)
    prompts = [engine.render([{"role": "user", "content": f"Question {letter}"}]) for letter in "ABCDEFGH"]
    assert engine.generate(prompts, 8, []) == [f"The answer is {letter}" for letter in "ABCDEFGH"]
    assert all(asked["max_completion_tokens"] == 8 for asked in Handler.seen)


@pytest.mark.parametrize(
    "body", [b"<html>busy</html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"text": null}]}']
)
def test_what_is_no_answer_of_the_protocol_is_told_as_such(url: str, body: bytes):
    engine = OpenAIEngine(url, "m", max_retries=0)
    Handler.instead = body
    for ask in (
        lambda: engine.generate(["Q"], 8, []),
        lambda: engine.generate([engine.render(MESSAGES)], 8, []),
        lambda: engine.log_probs([("Answer:", " A")]),
    ):
        with pytest.raises(OslerError, match=r"no answer of OpenAI's protocol|no log-probabilities"):
            ask()


def test_tokens_that_do_not_part_prompt_and_continuation_are_refused():
    assert tail_log_prob(["a", " B", "C"], [None, -1.0, -2.0], " BC") == -3.0
    with pytest.raises(OslerError, match="do not part"):
        tail_log_prob(["a", ": B"], [-1.0, -2.0], " B")


def each_text_is_kept_when_it_is_finished(vllm: Any, folder: Path) -> None:
    """What a run that was stopped had finished is not asked again, although more was on its way at once."""
    prompts = [f"Question {number}: what helps against scurvy?" for number in range(48)]
    names, task = [str(number) for number in range(48)], load_task("medqa")

    def run(where: str) -> list[Any]:
        with Finished(folder / where) as finished:
            return CachedEngine(vllm, task, finished).texts(prompts, names, 24, ["\n"])

    whole, answered, asked = run("whole.sqlite"), vllm.answered, []

    def stopped(given: Sequence[str], *how: Any) -> Iterator[tuple[int, str]]:
        asked.append(len(given))
        texts = answered(given, *how)
        yield from itertools.islice(texts, 30)
        texts.close()
        raise KeyboardInterrupt

    vllm.answered = stopped
    with pytest.raises(KeyboardInterrupt):
        run("stopped.sqlite")
    assert not vllm.model.llm_engine.has_unfinished_requests()
    vllm.answered = lambda given, *how: asked.append(len(given)) or answered(given, *how)
    assert run("stopped.sqlite") == whole
    assert asked == [48, 18]


@pytest.mark.slow
def test_vllm_in_process_and_served_agree_with_transformers(
    engine: TransformersEngine, base_model: Path, tmp_path: Path
):
    from pipelines.examiner import engine_of
    from serving.vllm.start import serving

    # In bfloat16, which either takes on a machine with matrix units, a sentence's sum differs by 0.05 from float32's.
    here = engine.log_probs(PAIRS)
    with serving(base_model, flags={"max-model-len": 512, "dtype": "float32"}) as server:
        served = OpenAIEngine(server.url, server.model)
        assert served.log_probs(PAIRS) == pytest.approx(here, abs=5e-3)
        written = served.generate(["The ferry"], 12, [])
        assert served.generate([served.render(MESSAGES)], 12, [])[0]
        long = "water falls " * 900  # vLLM's own words for it are read
        asked = [
            served.answered([long], 12, []),
            served.answered([served.render([{"role": "user", "content": long}])], 12, []),
            served.scored([(long, " A")]),
        ]
        for refused in (dict(answers)[0] for answers in asked):
            assert isinstance(refused, Refusal)
            assert refused.kind == "context too long"
    vllm = engine_of(str(base_model), "vllm", None, dtype="float32")
    assert vllm.log_probs(PAIRS) == pytest.approx(here, abs=5e-3)
    assert vllm.generate(["The ferry"], 12, []) == written == engine.generate(["The ferry"], 12, [])
    assert vllm.render(MESSAGES) == engine.render(MESSAGES)
    assert vllm.fingerprint == engine.fingerprint
    each_text_is_kept_when_it_is_finished(vllm, tmp_path)
