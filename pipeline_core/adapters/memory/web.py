"""The outside world in memory: answers by address, and a list of the POSTs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pipeline_core.adapters.addresses import Network, is_public
from pipeline_core.domain.errors import ErrorClass, FactoryError, PermanentError, TransientError
from pipeline_core.ports import WebAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One POST."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class MemoryWeb:
    """`answers` maps an address to its answer, or to the error that it raises. Other addresses do not answer.

    A POST to an IP address that is not public is refused; `also` are networks that count as public. Names are not
    resolved here.
    """

    answers: dict[str, WebAnswer | FactoryError] = field(default_factory=dict)
    also: Sequence[Network] = ()
    got: list[str] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)

    def get(self, url: str, *, limit: int) -> WebAnswer:
        """One GET. It refuses other schemes than https, redirects, and bodies over `limit` bytes."""
        self.got.append(url)
        return self._answer(url, limit)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit: int) -> WebAnswer:
        """One POST under the same rules."""
        _demand_public(url, self.also)
        self.posted.append(Posted(url=url, body=body, headers=dict(headers)))
        return self._answer(url, limit)

    def _answer(self, url: str, limit: int) -> WebAnswer:
        if urlsplit(url).scheme != "https":
            raise PermanentError(ErrorClass.POLICY, f"{url[:200]} is not https")
        answer = self.answers.get(url, TransientError(ErrorClass.NETWORK, f"{url[:200]} does not answer"))
        if isinstance(answer, FactoryError):
            raise answer.with_traceback(None)  # it keeps no frame of the call before
        if 300 <= answer.status < 400:
            raise PermanentError(ErrorClass.POLICY, f"{url[:200]} redirects: give the final address")
        if len(answer.body) > limit:
            raise PermanentError(ErrorClass.POLICY, f"{url[:200]} answers with more than {limit} bytes")
        return answer


def _demand_public(url: str, also: Sequence[Network]) -> None:
    try:
        allowed = is_public(urlsplit(url).hostname or "", also)
    except ValueError:
        return  # a name
    if not allowed:
        raise PermanentError(ErrorClass.POLICY, f"{url[:200]} is not a public address: give one")
