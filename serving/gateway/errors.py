"""Refusals, in the one shape in which OpenAI's API tells them."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refused(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        message: What the caller reads. It never repeats what a person wrote.
        code: A word for programs.
        param: The field that is wrong, if one is.
        retry_after: Seconds after which the same request may do better.
    """

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The error object, as OpenAI's clients read it."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """The HTTP answer."""
        headers: dict[str, str] = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, int(self.retry_after + 0.999)))
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return Response(json.dumps(self.body()), self.status, headers, "application/json")


class ModelDown(Refused):
    """The model cannot be reached, does not answer in time, or breaks off."""

    def __init__(self, message: str, code: str = "model_unavailable") -> None:
        super().__init__(503, message, code, retry_after=5)


class ModelFailed(ModelDown):
    """The model says itself that it failed."""
