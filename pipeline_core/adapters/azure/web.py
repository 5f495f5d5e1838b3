"""Plain HTTPS, for signing keys and webhooks. Nothing of the environment reaches a request, no proxy either."""

import functools
import ssl
from collections.abc import Mapping, Sequence

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from pipeline_core.adapters import exchanges
from pipeline_core.adapters.addresses import Network, is_public
from pipeline_core.ports import WebAnswer

_WHOLE_SECONDS = 20.0  # from the look-up of the name to the last byte


class HttpsWeb:
    """`ca_file` names the authority to trust instead of the public ones, or is empty: a proxy may inspect TLS.

    A POST goes to public addresses only, whatever is trusted; `also` are more networks, for tests on one machine.
    """

    def __init__(self, ca_file: str = "", also: Sequence[Network] = ()) -> None:
        self._ca_file = ca_file or DEFAULT_CA_BUNDLE_PATH
        self._also = tuple(also)

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        """Made at the first exchange, because it reads some hundred certificates."""
        return exchanges.context_of(self._ca_file)

    def get(self, url: str, *, limit: int) -> WebAnswer:
        """One GET. It refuses other schemes than https, redirects, and bodies over `limit` bytes."""
        target = exchanges.target_of(url)
        return exchanges.ask("GET", target, context=self._context, seconds=_WHOLE_SECONDS, limit=limit)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit: int) -> WebAnswer:
        """One POST under the same rules, to public addresses only (PermanentError, POLICY), because a team names it."""
        return exchanges.ask(
            "POST",
            exchanges.target_of(url),
            context=self._context,
            seconds=_WHOLE_SECONDS,
            limit=limit,
            body=body,
            headers=headers,
            is_allowed=lambda address: is_public(address, self._also),
        )
