"""The defaults follow the hardware, what a person gives wins, and vLLM's own parser takes the result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from corpora.errors import OslerError
from serving import hardware, memory
from serving.hardware import Gpu, Machine
from serving.structured import Triage
from serving.vllm.defaults import defaults
from serving.vllm.options import command, environment, given_flags
from tests.serving.test_serve_command import GATEWAY_LIMITS

H100 = Gpu("H100", 80, 79.5, 9.0)
QWEN_32B = {  # config of Qwen3-32B: 64 layers, 8 key heads of 128
    "dtype": "bfloat16",
    "num_hidden_layers": 64,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
}


def machine(gpus: int = 0, gpu: Gpu | None = H100, **changes: object) -> Machine:
    values = {"gpu_count": gpus, "gpus": (gpu,) * gpus if gpu else (), "cores": 16, "quota": 16, "free_gib": 64.0}
    return Machine(**{**values, "matrix_units": False, **changes})


def folder(tmp_path: Path, config: dict[str, object], gib: float) -> str:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "generation_config.json").write_text('{"do_sample": true, "temperature": 0.6}')
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.truncate(int(gib * 2**30))  # sparse
    return str(tmp_path)


def chosen(model: str, here: Machine, words: list[str] | None = None, roomy: bool = True) -> dict[str, object]:
    return {one.name: one.value for one in defaults(model, given_flags({}, words or []), here, roomy)}


def test_a_model_that_fits_one_gpu_gets_vllms_own_defaults(tmp_path: Path):
    found = chosen(folder(tmp_path, QWEN_32B, 8), machine(8))
    assert found.pop("structured-outputs-config") == '{"backend": "xgrammar", "disable_any_whitespace": true}'
    assert found == {"served-model-name": "osler", "disable-uvicorn-access-log": True}


@pytest.mark.parametrize("words", [["--structured-outputs-config", "{}"], ["--structured-outputs-config.backend=auto"]])
def test_how_schemas_are_kept_is_left_to_who_says_so(tmp_path: Path, words: list[str]):
    assert "structured-outputs-config" not in chosen(folder(tmp_path, QWEN_32B, 8), machine(8), words)


def test_a_triage_and_a_call_that_is_demanded_can_be_kept_by_the_default(tmp_path: Path):
    """By vLLM's own checks of a request: guidance refused every demanded call."""
    from vllm import SamplingParams
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.tool_parsers.structural_tag_registry import get_model_structural_tag
    from vllm.v1.structured_output.backend_guidance import validate_guidance_grammar
    from vllm.v1.structured_output.backend_xgrammar import validate_xgrammar_grammar

    config = str(chosen(folder(tmp_path, QWEN_32B, 8), machine(8))["structured-outputs-config"])
    check = {"xgrammar": validate_xgrammar_grammar, "guidance": validate_guidance_grammar}[
        json.loads(config)["backend"]
    ]
    function = {"name": "bmi", "parameters": {"type": "object", "properties": {"weight": {"type": "number"}}}}
    tools = [ChatCompletionToolsParam(type="function", function=function)]
    tag = get_model_structural_tag(model="hermes", tools=tools, tool_choice="required", reasoning=False)
    assert tag is not None
    for kept in ({"json": Triage.model_json_schema()}, {"structural_tag": tag.model_dump_json()}):
        check(SamplingParams(structured_outputs=StructuredOutputsParams(**kept)))


def test_a_model_that_names_no_temperature_answers_with_the_likeliest_words(tmp_path: Path):
    model, flag = folder(tmp_path, QWEN_32B, 8), "override-generation-config"
    own = tmp_path / "generation_config.json"
    assert flag not in chosen(model, machine(8))
    for text in ('{"eos_token_id": 5}', "no JSON"):
        own.write_text(text)
        assert chosen(model, machine(8))[flag] == '{"temperature": 0.0}'
    own.unlink()
    assert flag in chosen(model, machine(8))
    assert flag not in chosen(model, machine(8), ["--generation-config", "vllm"])
    assert flag not in chosen(model, machine(8), ["--override-generation-config", '{"temperature": 0.5}'])
    assert flag not in chosen(model, machine(8), roomy=False)  # what a stage draws is the recipe's
    assert flag not in chosen("Qwen/Qwen3-8B", machine(8))
    (shown,) = (one.text() for one in defaults(model, {}, machine(8), True) if one.name == flag)
    assert shown == "--override-generation-config '{\"temperature\": 0.0}'"


@pytest.mark.parametrize(
    ("gpus", "gpu", "tensor", "context"),
    [
        (1, H100, None, None),  # 61 GiB and 10 of cache for 40,960 tokens: of 73.6 GiB
        (4, Gpu("A100", 40, 39.5, 8.0), 4, None),  # 71 / 2 + 2 GiB are over 36.8
        (2, Gpu("A100", 40, 39.5, 8.0), 2, "auto"),  # the weights fit, the whole context does not
        (8, Gpu("L4", 24, 23.5, 8.9), 4, None),
    ],
)
def test_a_large_model_is_cut_over_as_few_gpus_as_hold_it(tmp_path: Path, gpus: int, gpu: Gpu, tensor, context):
    found = chosen(folder(tmp_path, QWEN_32B, 61), machine(gpus, gpu))
    assert (found.get("tensor-parallel-size"), found.get("max-model-len")) == (tensor, context)
    assert "gpu-memory-utilization" not in found


def test_a_gpu_in_use_an_old_one_and_one_that_no_driver_describes(tmp_path: Path):
    model = folder(tmp_path, QWEN_32B, 8)
    assert chosen(model, machine(1, Gpu("H100", 80, 40, 9.0)))["gpu-memory-utilization"] == 0.49
    assert chosen(model, machine(1, Gpu("T4", 15, 14.7, 7.5)))["dtype"] == "float16"
    assert "dtype" not in chosen(model, machine(2, None))


def test_heads_that_cannot_be_cut_by_eight_are_not(tmp_path: Path):
    config = {**QWEN_32B, "num_attention_heads": 28, "num_key_value_heads": 4}
    assert chosen(folder(tmp_path, config, 120), machine(8))["tensor-parallel-size"] == 2
    assert chosen(folder(tmp_path, config, 500), machine(8))["tensor-parallel-size"] == 4


def test_a_processors_cache_is_by_the_model_and_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    model = folder(tmp_path, QWEN_32B, 1)
    # 64 layers x 8 heads x 128 x 2 numbers x 4 bytes = 512 KiB for a token; 16 x 40,960 tokens would be 320 GiB.
    found = chosen(model, machine(free_gib=64.0))
    assert found["VLLM_CPU_KVCACHE_SPACE"] == 29  # half of 64 - 2 x 1.2 - 2
    assert "max-model-len" not in found
    small = chosen(model, machine(free_gib=10.0))
    assert (small["VLLM_CPU_KVCACHE_SPACE"], small["max-model-len"]) == (2, 4096)
    assert chosen(model, machine(), ["--max-model-len", "1024"])["VLLM_CPU_KVCACHE_SPACE"] == 8
    assert chosen(model, machine(), roomy=False)["VLLM_CPU_KVCACHE_SPACE"] == 1
    assert chosen("some/hub-model", machine())["VLLM_CPU_KVCACHE_SPACE"] == 1
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    assert "VLLM_CPU_KVCACHE_SPACE" not in chosen(model, machine())
    assert environment(defaults(model, {}, machine(), True))["VLLM_CPU_KVCACHE_SPACE"] == "7"


def test_a_container_with_less_time_than_cores_gets_fewer_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = chosen("m", machine(quota=2))
    assert (found["OMP_NUM_THREADS"], found["VLLM_CPU_OMP_THREADS_BIND"]) == (2, "nobind")
    assert "OMP_NUM_THREADS" not in chosen("m", machine())


def test_every_default_tells_why(tmp_path: Path):
    for here in (machine(), machine(2, Gpu("T4", 15, 9, 7.5)), machine(quota=1, matrix_units=True)):
        assert all(one.why for one in defaults(folder(tmp_path, QWEN_32B, 20), {}, here, True))


def test_what_a_person_gives_wins_and_passes_as_it_is():
    words = ["--dtype=float16", "--no-enforce-eager", "--max_num_seqs", "4", "-tp", "2", "--enable-chunked-prefill"]
    given = given_flags({"seed": 1, "no-async-scheduling": True}, words)
    assert given == {
        "seed": 1,
        "async-scheduling": False,
        "dtype": "float16",
        "enforce-eager": False,
        "max-num-seqs": "4",
        "tensor-parallel-size": "2",
        "enable-chunked-prefill": True,
    }
    made = command("m", "127.0.0.1", 1, {"seed": 0}, words, defaults("m", given, machine()))
    assert made[made.index("--seed") + 1] == "0"
    assert made[-len(words) :] == words
    for name in ("--enforce-eager", "--max-num-seqs", "--no-enable-chunked-prefill", "--distributed-executor-backend"):
        assert name not in made
    assert given_flags({}, ["--max-model-len", "-1", "--lora-modules", "a=x", "b=y"])["max-model-len"] == "-1"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stray"], "unexpected argument 'stray'"),
        (["--port", "1"], "--port is not for vLLM here"),
        (["--ssl-keyfile", "k"], "put a TLS proxy in front"),
    ],
)
def test_words_that_cannot_be_taken_are_named(words: list[str], message: str):
    with pytest.raises(OslerError, match=message):
        given_flags({}, words)


def test_gpus_are_described_by_their_driver(monkeypatch: pytest.MonkeyPatch):
    said = "0, GPU-a, NVIDIA H100 80GB HBM3, 81559, 80993, 9.0\n1, GPU-b, NVIDIA L4, 23034, 100, 8.9\n"
    monkeypatch.setattr(hardware.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=said))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    first, second = hardware._described_gpus()
    assert (first.name, round(first.total_gib, 1), second.capability) == ("NVIDIA H100 80GB HBM3", 79.6, 8.9)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b")
    assert hardware._described_gpus() == (second,)


def test_a_containers_limits_are_read(tmp_path: Path):
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert hardware._cpu_quota(str(tmp_path)) == 2
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert hardware._cpu_quota(str(tmp_path)) is None
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**29}\n")
    assert memory.free_memory(str(tmp_path)) == 2**29
    # Of what the group uses, files that were read are given up when memory is wanted.
    (tmp_path / "memory.stat").write_text(f"anon {2**28}\nactive_file 7\ninactive_file {2**28}\n")
    assert memory.free_memory(str(tmp_path)) == 2**29 + 2**28
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory(str(tmp_path)) > 2**29


# As a person would type them, and what vLLM must read in them.
LINES: list[tuple[list[str], dict[str, object]]] = [
    ([], {"served_model_name": ["osler"], "enforce_eager": True, "max_num_seqs": 128, "enable_chunked_prefill": False}),
    (["--max-model-len", "32k", "--no-enforce-eager"], {"max_model_len": 32000, "enforce_eager": False}),
    (
        ["-tp", "2", "-dp", "4"],
        {"tensor_parallel_size": 2, "data_parallel_size": 4, "distributed_executor_backend": None},
    ),
    (
        ["--enable-lora", "--lora-modules", "ward=a/b", "icu=c/d", "--max-lora-rank", "32"],
        {"enable_lora": True, "max_lora_rank": 32, "lora_modules": ["ward", "icu"]},
    ),
    (["--quantization", "fp8", "--kv-cache-dtype", "fp8"], {"quantization": "fp8"}),
    (
        ["--speculative-config", '{"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 4}'],
        {"speculative_config": {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 4}},
    ),
    (
        ["--speculative-config.method", "ngram", "--speculative-config.num_speculative_tokens", "3"],
        {"speculative_config": {"method": "ngram", "num_speculative_tokens": 3}},
    ),
    (["--served-model-name", "ward", "--dtype=float16"], {"served_model_name": ["ward"], "dtype": "float16"}),
    (
        ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"],
        {"enable_auto_tool_choice": True, "tool_call_parser": "hermes"},
    ),
]


@pytest.mark.slow
def test_vllms_own_parser_takes_every_line(base_model: Path):
    script = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
own = {option for action in parser._actions for option in action.option_strings}
read = []
for line in json.load(sys.stdin):
    args = parser.parse_args(line)
    validate_parsed_serve_args(args)
    values = vars(args)
    values["lora_modules"] = [one.name for one in values["lora_modules"] or []]
    read.append({key: value for key, value in values.items() if isinstance(value, (str, int, float, list, dict, type(None)))})
print(json.dumps({"own": sorted(own), "read": read}, default=str))
"""
    lines = []
    for words, _ in LINES:
        options = defaults(str(base_model), given_flags({}, words), machine(), True)
        lines.append(command(str(base_model), "127.0.0.1", 8000, {}, words, options)[3:])
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(lines), capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    for (_, expected), read in zip(LINES, told["read"], strict=True):
        assert {key: read[key] for key in expected} == expected
        assert (read["model"], read["host"], read["port"]) == (str(base_model), "127.0.0.1", 8000)
    # None of vLLM's flags is shadowed by one of ours.
    shown = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "serve", "--help"], capture_output=True, text=True, check=True
    )
    limits = [f"--{name.replace('_', '-')}" for name in GATEWAY_LIMITS]
    for ours in ("--gateway", "--keys", "--audit", "--restarts", "--restart-window", "--start-seconds", *limits):
        assert ours in shown.stdout
        assert ours not in told["own"]
