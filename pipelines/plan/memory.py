"""How much memory a training step asks for, part by part, on each processor or GPU.

A step has four moments at which memory may be greatest: the end of the forward pass (all activations and the logits are there, and no
gradient yet), with checkpointing the start of the backward pass (all kept inputs, and the activations of the last layer), the end of the backward pass (all gradients, and the activations of one layer), and the optimizer's update. The parts of the
greatest one are given.

Activations are those of Korthikanti et al. 2022 (https://arxiv.org/abs/2205.05198, section 4) counted anew for what transformers' layers keep
for the backward pass: no term in the square of the length (torch's scaled_dot_product_attention keeps none), a gated feed-forward part,
fewer key heads than query heads, RMSNorm with its float32 copies; and for compiled layers and those of Liger's kernels, which keep less.
tests/pipelines/test_memory.py compares them, byte for byte, with what autograd keeps, but for Liger's, which need a GPU.
``benchmarks/memory.py`` compares whole runs with the plan on a processor, ``benchmarks/training.py`` on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.config import Strategy
from pipelines.plan.architectures import Shape

GIB = 2**30

# Of what torch has asked for, what the allocator holds besides, as gaps between blocks of other sizes. On a processor measured with glibc's
# malloc as ``use_processor_well`` sets it (benchmarks/results/memory.md). An adapter's many small blocks, which stay, lie between the large ones,
# which come and go: there it was 0.2 to 0.65, and another in each run; of the last three, at three sizes, none is planned 4% wrong. On an H200 it was 0.01 for rows of one length and 0.08 where lengths vary
# (`reserved_gib` beside `memory_gib` in benchmarks/results/training.json).
ALLOCATOR_SHARE = {"cpu": 0.15, "gpu": 0.08}
ADAPTER_ALLOCATOR_SHARE = {"cpu": 0.4, "gpu": 0.02}
# What the libraries hold on a GPU outside torch's allocator: CUDA's context and kernels, and NCCL's buffers where there are several. Assumed.
CUDA_BYTES, NCCL_BYTES = int(0.7 * GIB), int(0.8 * GIB)
# What the first steps add to the libraries' resident size on a processor: code that is read when it is first used, threads' buffers, the
# tokenized data of a small run, and the allocator's first gaps. Measured as ``ALLOCATOR_SHARE``.
FIRST_USE_BYTES = 140 * 2**20
# Bits of a weight in NF4 with double quantization: 4 and 0.127 of constants (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314, section 3).
NF4_BITS = 4.127
# Logits at once in TRL's fused head (trl 1.16, kernels/chunked_logprob.py: tokens by entries of the vocabulary).
TILE = 4096 * 32768

Numbers = Literal[
    "float32", "bfloat16", "mixed"
]  # of weights and products; "mixed" is float32 weights under bfloat16 autocast
Head = Literal["all", "labelled", "tiled", "fused"]
Kernels = Literal["plain", "compiled", "liger"]  # of the layers


@dataclass(frozen=True)
class Load:
    """All of a training step that its memory depends on."""

    shape: Shape
    numbers: Numbers
    device: Literal["cpu", "gpu"]
    rows: int  # sequences in one forward pass, of each process
    length: int  # tokens of the longest
    labelled: int  # positions of these rows that have a label
    head: (
        Head  # which logits are computed: of all positions, of the labelled ones, these in TRL's tiles, or none (Liger)
    )
    adapter: int | None = None  # parameters of a LoRA adapter; None where all parameters are trained
    adapter_rank: int = 0
    bits: int = 16  # of a frozen weight: 4 and 8 are quantized
    checkpointing: bool = False
    kernels: Kernels = "plain"
    masked: bool = False  # rows are padded: attention is given a mask
    accumulation: int = 1
    optimizer: str = "adamw"  # or "muon", "adamw_8bit", "sgd"
    strategy: Strategy = "ddp"
    processes: int = 1
    anchor_rows: int = 0
    anchor_length: int = 0
    teacher: Shape | None = None  # of the anchor
    framework: int = 0  # bytes of the libraries on a processor; on a GPU they are added here

    @property
    def trainable(self) -> int:
        """Parameters that get a gradient."""
        return self.shape.parameters if self.adapter is None else self.adapter

    @property
    def tokens(self) -> int:
        """Positions of one forward pass, padding included."""
        return self.rows * self.length


@dataclass(frozen=True)
class Memory:
    """Bytes of each part at the moment when there are most, for each processor or GPU."""

    moment: str
    parts: dict[str, int]

    @property
    def asked(self) -> int:
        """Bytes that torch has asked its allocator for."""
        return sum(size for part, size in self.parts.items() if part not in ("framework", "allocator", "merge"))

    @property
    def peak(self) -> int:
        """Bytes in all: what a process monitor shows."""
        return sum(self.parts.values())


def layer_bytes(load: Load) -> int:
    """What autograd keeps of one layer for each position, in bytes."""
    shape, adapter = load.shape, load.adapter is not None
    h, i, q, k = shape.hidden, shape.intermediate, shape.queries, shape.keys
    narrow = 4 if load.numbers == "float32" else 2  # bytes of what is multiplied
    wide = 2 if load.numbers == "bfloat16" else 4  # of the residual stream
    if shape.family == "encoder":
        # The inputs of each product, queries, keys and values, what GELU and both LayerNorms are given, and dropout's results.
        kept = (10 * h + 2 * i) * narrow
        if load.device == "cpu":  # with dropout, attention on a processor is computed in float32 and in full
            kept += 12 * shape.heads * load.length + (6 * h if narrow == 2 else 0)
        return kept + 16
    # Autocast, and an adapter in float32 beside bfloat16 weights, make a copy of the input for each of the five products. Beside rounded weights
    # TRL has the adapter in bfloat16.
    copies = load.numbers == "mixed" or (adapter and load.numbers == "bfloat16" and load.bits == 16)
    if (
        load.kernels == "compiled"
    ):  # what torch's min-cut partitioner keeps: one copy of what products and norms are given
        kept = 10 * h if load.numbers == "mixed" else 4 * narrow * h
        kept += narrow * (q + k if shape.head_norms else 0)
        kept += narrow * 3 * i
    elif load.kernels == "liger":  # its norms keep their input alone, and its SwiGLU computes the SiLU again
        kept = 2 * wide * h + (5 if copies else 2) * narrow * h
        kept += narrow * (q + k if shape.head_norms else 0)
        kept += narrow * 3 * i
    else:
        # Two RMSNorms: the float32 input of each, the normalised one where its weight is trained, and the result, which products are given.
        kept = 2 * 4 * h + (0 if adapter else 2 * wide * h) + (5 if copies else 2) * narrow * h
        if shape.head_norms:
            kept += (q + k) * (4 + (0 if adapter else narrow))
        kept += narrow * 4 * i  # gate, its SiLU, up, and their product
    kept += narrow * (2 * q + 2 * k)  # what attention is given, and its result
    if load.masked:  # the keys and values are repeated for each query head, and the mask is made anew as numbers
        kept += narrow * 2 * (q - k) + narrow * load.length
    if adapter:
        kept += narrow * load.adapter_rank * sum(linear.count for linear in shape.linears) // shape.layers
        if copies:
            kept += narrow * q
    norms = 2 + ((q + k) // (q // shape.heads) if shape.head_norms else 0)  # one for each head of queries and of keys
    return kept + 4 * shape.heads + 4 * norms


def activation_bytes(load: Load, tokens: int, layers: int) -> int:
    """What autograd keeps of so many layers, and of what is after the last, for so many positions."""
    wide = 2 if load.numbers == "bfloat16" else 4
    after = 8 + 4 * load.shape.hidden + (0 if load.adapter is not None else wide * load.shape.hidden)
    return tokens * (layers * layer_bytes(load) + after)


def logits_bytes(load: Load) -> tuple[int, int]:
    """What the loss takes at its greatest, and what it keeps for the backward pass, in bytes.

    Of transformers' own loss: the log-softmax that is kept, its gradient and the one of the logits are there at once, in float32. Of
    ``plain_head`` on a processor: logits, log-probabilities and two of their size for the entropy. TRL's head works in tiles.
    """
    shape, width = load.shape, load.shape.vocabulary
    narrow = 4 if load.numbers == "float32" else 2
    hidden = load.labelled * shape.hidden * narrow
    if load.head == "all":
        return 12 * load.tokens * width, 4 * load.tokens * width
    if load.head == "labelled":
        return hidden + (
            12 + narrow + (2 if narrow == 2 else 0)
        ) * load.labelled * width, hidden + 4 * load.labelled * width
    gradients = 4 * load.labelled * shape.hidden + (4 * shape.table if load.adapter is None else 0)
    if load.head == "tiled":
        return hidden + 2 * min(TILE, load.labelled * width) + gradients, hidden
    return hidden + gradients, hidden


def state_bytes(load: Load) -> tuple[float, float, float]:
    """Bytes of a trained weight, of its gradient, and of its states in the optimizer (two moments, for AdamW).

    Osler loads weights that are trained in float32, and gradients and the optimizer's states have the weights' format, with FSDP2 too. ZeRO
    keeps bfloat16 weights and gradients, and float32 weights and moments beside them (Rajbhandari et al. 2020,
    https://arxiv.org/abs/1910.02054, section 3.1). A LoRA adapter is float32 in PEFT, and bfloat16 in TRL when the weights are quantized.
    """
    if load.strategy in ("zero2", "zero3") and load.processes > 1 and load.adapter is None:
        weight, gradient, moment = 6.0, 2.0, 4.0
    else:
        full = load.device == "cpu" or (load.strategy == "fsdp2" and load.processes > 1)
        full = full or (load.adapter is not None and load.bits == 16) or load.numbers != "bfloat16"
        weight = gradient = moment = 4.0 if full else 2.0
    if "8bit" in load.optimizer:
        return weight, gradient, 2.0  # each moment in a byte (Dettmers et al. 2022, https://arxiv.org/abs/2110.02861)
    if load.optimizer == "sgd":
        return weight, gradient, 0.0
    if load.optimizer == "muon":
        matrices = sum(linear.inputs * linear.outputs * linear.count for linear in load.shape.linears)
        return weight, gradient, moment * (2 - matrices / load.shape.parameters)  # one moment for a matrix
    return weight, gradient, 2 * moment


def formats(load: Load) -> str:
    """In which number formats trained weights and the optimizer's states are, as a sentence."""
    weight, _, state = state_bytes(load)
    trained = {2.0: "bfloat16", 4.0: "float32", 6.0: "bfloat16 with a float32 copy"}[weight]
    states = "8 bits" if state == 2.0 and "8bit" in load.optimizer else "bfloat16" if weight == 2.0 else "float32"
    return f"trained weights in {trained}, the optimizer's states in {states}"


def frozen_bytes(load: Load) -> float:
    """Bytes of the weights that an adapter leaves as they are."""
    width = 4 if load.device == "cpu" else 2
    if load.adapter is None:
        return 0.0
    if load.bits == 16:
        return float(width * load.shape.parameters)
    bits = NF4_BITS if load.bits == 4 else 8.0
    quantized = sum(linear.inputs * linear.outputs * linear.count for linear in load.shape.linears)
    return bits / 8 * quantized + width * (load.shape.parameters - quantized)  # embeddings, head and norms are left


def merge_bytes(shape: Shape) -> int:
    """What the merge of an adapter takes of the machine's own memory: the base in float32, and its file of two bytes a weight."""
    return 6 * shape.parameters


def memory(load: Load) -> Memory:
    """The parts of the moment of a training step that takes most, in bytes, on each processor or GPU."""
    shape = load.shape
    per_weight, per_gradient, per_state = state_bytes(load)
    shards = load.processes if load.strategy != "ddp" else 1
    weights = (per_weight * load.trainable + frozen_bytes(load)) / shards
    if load.strategy == "zero2" and shards > 1:  # which leaves the bfloat16 weights whole
        weights = ((per_weight - 2) * load.trainable / shards if load.adapter is None else 0.0) + frozen_bytes(load)
        weights += 2 * load.trainable
    gradients = per_gradient * load.trainable / shards
    states = per_state * load.trainable / shards
    if load.numbers == "mixed":  # autocast keeps a bfloat16 copy of what is multiplied
        weights += 2 * shape.multiplied
    gathered = 0.0
    if shards > 1 and load.strategy == "zero2":
        gathered = 2 * 2 * shape.layer if load.adapter is None else 0.0  # gradients on their way
    elif shards > 1:
        # The layer at work and the next one, whole, with the gradients of one; embeddings and head are a unit that stays.
        gathered = 2 * (2 * shape.layer + shape.table) + (2 * shape.layer if load.adapter is None else 0)
    elif load.processes > 1:
        gathered = gradients  # the buckets in which DDP sends gradients
    checkpointed = load.tokens * shape.hidden * (2 if load.numbers == "bfloat16" else 4)
    layers = shape.layers if not load.checkpointing else 0
    kept = activation_bytes(load, load.tokens, layers) + (checkpointed * shape.layers if load.checkpointing else 0)
    of_layer = load.tokens * layer_bytes(load)
    most_logits, kept_logits = logits_bytes(load)

    teacher = 0.0
    if load.teacher is not None:
        # The rows of the anchor add their own activations to the graph; its divergence holds six tensors of their logits, and keeps two.
        teacher = (4 if load.numbers == "float32" else 2) * load.teacher.parameters
        tokens = load.anchor_rows * load.anchor_length
        kept += activation_bytes(load, tokens, shape.layers)
        of_anchor = 4 * tokens * shape.vocabulary
        most_logits = max(most_logits + 2 * of_anchor, kept_logits + 6 * of_anchor)

    always = {"weights": weights, "optimizer states": states, "anchor's model": teacher, "sharing": gathered}
    forward = {"activations": kept, "logits": most_logits, "gradients": gradients if load.accumulation > 1 else 0.0}
    # The gradient of a tied table comes from the head and from the embedding, and both are there when they are added.
    twice = per_gradient * shape.table if shape.tied and load.adapter is None else 0.0
    backward = {"activations": of_layer + checkpointed, "gradients": gradients + twice / shards}
    moments = {"end of the forward pass": forward, "end of the backward pass": backward}
    if load.checkpointing:  # the last layer is computed again while the inputs of all others are still there
        moments["start of the backward pass"] = {**forward, "activations": kept + of_layer, "logits": kept_logits}
    if load.optimizer == "muon":
        largest = max(linear.inputs * linear.outputs for linear in shape.linears)
        moments["optimizer's update"] = {"gradients": gradients, "activations": 5 * 4.0 * largest}
    moment = max(moments, key=lambda name: sum(moments[name].values()))
    parts = {part: int(size) for part, size in {**always, **moments[moment]}.items() if size}
    gaps = (ALLOCATOR_SHARE if load.adapter is None else ADAPTER_ALLOCATOR_SHARE)[load.device]
    parts["allocator"] = int(sum(parts.values()) * gaps)
    if load.adapter is not None and load.device == "cpu":
        # The base is read again when training is over, and malloc gives it none of what training has freed (measured).
        parts["merge"] = merge_bytes(shape)
    gpu = CUDA_BYTES + (NCCL_BYTES if load.processes > 1 else 0)
    parts["framework"] = gpu if load.device == "gpu" else load.framework + FIRST_USE_BYTES
    return Memory(moment, parts)


def kv_cache_bytes(shape: Shape, tokens: int, width: int = 2) -> int:
    """Keys and values of so many tokens in all layers (Kwon et al. 2023, https://arxiv.org/abs/2309.06180, section 1), in bytes."""
    return 2 * shape.layers * shape.keys * width * tokens
