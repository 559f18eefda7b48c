"""What bounds the gateway: sizes, caps, rates and times."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Limits of the public door. Times are in seconds.

    A stream ends where its next chunk does not come within ``idle_seconds``, or the whole not within ``total_seconds``; one whose client
    reads slowly lasts no longer than their sum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(default=256 * 1024, ge=1)
    max_tokens: int = Field(default=2048, ge=1)  # generated, for each answer
    max_n: int = Field(default=4, ge=1)
    max_prompts: int = Field(default=32, ge=1)  # in one completion
    max_context: int | None = Field(default=None, ge=1)  # tokens of prompt and answer; the model's own where it is less
    requests_per_minute: int = Field(default=60, ge=1)  # of a key that has no limit of its own
    tokens_per_minute: int = Field(default=100_000, ge=1)  # prompt and answer together
    at_once: int = Field(default=256, ge=1)  # requests under way, over all keys
    body_seconds: float = Field(default=15.0, gt=0)
    connect_seconds: float = Field(default=5.0, gt=0)
    idle_seconds: float = Field(default=30.0, gt=0)
    total_seconds: float = Field(default=300.0, gt=0)
    drain_seconds: int = Field(default=60, ge=0)
