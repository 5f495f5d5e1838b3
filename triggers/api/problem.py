"""RFC 9457 problem details: the one shape of every answer that is an error. Translates no error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:imagefactory:problem:"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidField:
    """One error of a request: its place, what is wrong, and how to repair it."""

    path: str
    message: str
    remedy: str = ""


class Refusal(Exception):
    """A request that is answered with a problem; `slug` names its kind for programs."""

    def __init__(
        self,
        status: HTTPStatus,
        slug: str,
        detail: str,
        *,
        faults: Sequence[InvalidField] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemResponse:
    """The answer that is sent; `correlation_id` finds the request in the logs."""

    status: HTTPStatus
    slug: str
    detail: str
    instance: str
    correlation_id: str
    faults: tuple[InvalidField, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> JSONResponse:
        """The answer, never to be cached."""
        body: dict[str, object] = {
            "type": f"{_TYPE}{self.slug}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "instance": self.instance,
            "correlation_id": self.correlation_id,
        }
        if self.faults:
            body["errors"] = [
                {"path": fault.path, "message": fault.message, "remedy": fault.remedy}
                for fault in self.faults
            ]
        return JSONResponse(body, self.status.value, dict(self.headers), media_type=MEDIA_TYPE)
