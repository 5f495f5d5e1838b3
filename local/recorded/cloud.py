"""The recorded Packer's calls to Azure Resource Manager: token, calls, waiting. It needs only the standard library.

It connects only through the proxy of its environment and trusts only the authority of its environment. So it can never
reach the real Azure.
"""

import http.client
import json
import os
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

ARM = "management.azure.com"
_POLL_SECONDS = 0.03
_TIMEOUT = 60.0
_IDLE_SECONDS = 2.0  # a server may close a connection that is idle for longer


class CloudError(Exception):
    """A refusal, with Azure's code in front of its text, as Packer prints it. `inner` has the errors inside it."""

    def __init__(
        self, code: str, message: str, status: int = 0, inner: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.status, self.inner = code, status, tuple(inner)

    @property
    def lines(self) -> list[str]:
        """Lines of an error with those inside it, as the plugin prints them (its azure_error_response.go)."""
        found = [f"{each.get('code', '')} : {each.get('message', '')}" for each in self.inner]
        return [f"ERROR: -> {self}", *(f"ERROR:   -> {each}" for each in found)]


class Cloud:
    """Calls Resource Manager with the container's identity."""

    def __init__(self, client_id: str) -> None:
        proxy = urlsplit(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or "")
        trusted = os.environ.get("SSL_CERT_FILE")
        if proxy.hostname not in ("127.0.0.1", "localhost") or not trusted:
            raise CloudError(
                "RecordedOnly", "the recorded Packer works only behind a local HTTPS_PROXY and SSL_CERT_FILE"
            )
        self._proxy = (proxy.hostname, proxy.port)
        self._tls = ssl.create_default_context(cafile=trusted)
        self._client_id = client_id
        self._connection: http.client.HTTPSConnection | None = None
        self._used = 0.0
        self._token = ""

    def hang_up(self) -> None:
        """Close the connection. The next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def discover_tenant(self, subscription: str) -> None:
        """The first call of the plugin has no token. Its answer is the challenge that names the tenant."""
        self._send("GET", f"/subscriptions/{subscription}?api-version=2022-12-01", None, {})

    def sign_in(self) -> None:
        """Get a token from the identity endpoint of the environment."""
        endpoint, header = os.environ.get("IDENTITY_ENDPOINT", ""), os.environ.get("IDENTITY_HEADER", "")
        wanted = {"resource": f"https://{ARM}/", "client_id": self._client_id}
        if endpoint:
            address, query, headers = (
                endpoint,
                {"api-version": "2019-08-01", **wanted},
                {"X-IDENTITY-HEADER": header},
            )
        else:  # through HTTP_PROXY, because Azure's own address is not on this machine
            address, headers = "http://169.254.169.254/metadata/identity/oauth2/token", {"Metadata": "true"}
            query = {"api-version": "2018-02-01", **wanted}
        parts = urlsplit(address)
        is_local = parts.hostname in ("127.0.0.1", "localhost")
        host, port = (parts.hostname, parts.port) if is_local else self._proxy
        connection = http.client.HTTPConnection(host or "", port, timeout=_TIMEOUT)
        path = parts.path if is_local else address
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers=headers)
            answer = connection.getresponse()
            body = json.loads(answer.read() or b"{}")
        finally:
            connection.close()
        if answer.status != 200:
            raise CloudError(
                "ManagedIdentityCredential", str(body.get("error_description", body)), answer.status
            )
        self._token = body["access_token"]

    def call(self, method: str, path: str, version: str, body: Any = None) -> Any:
        """Make one call and wait for the end of its asynchronous operation. Returns the JSON of the first answer."""
        status, headers, content = self._send(
            method, f"{quote(path)}?api-version={version}", body, {"Authorization": f"Bearer {self._token}"}
        )
        if status >= 400:
            error = content.get("error", {}) if isinstance(content, dict) else {}
            raise CloudError(
                error.get("code", str(status)),
                error.get("message", str(content)),
                status,
                error.get("details") or (),
            )
        operation = headers.get("azure-asyncoperation")
        if operation:
            self._wait(operation)
        return content

    def exists(self, path: str, version: str) -> bool:
        """Whether a resource exists. Raises CloudError for any error except 404."""
        try:
            self.call("GET", path, version)
        except CloudError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _wait(self, operation: str) -> None:
        parts = urlsplit(operation)
        while True:
            bearer = {"Authorization": f"Bearer {self._token}"}
            status, _, content = self._send("GET", f"{parts.path}?{parts.query}", None, bearer)
            error = content.get("error") if isinstance(content, dict) else None
            if error:
                raise CloudError(error["code"], error["message"], status, error.get("details") or ())
            if status < 400 and content.get("status") == "Succeeded":
                return
            time.sleep(_POLL_SECONDS)

    def _send(
        self, method: str, target: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], Any]:
        text = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self.hang_up()
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(*self._proxy, timeout=_TIMEOUT, context=self._tls)
            self._connection.set_tunnel(ARM, 443)
        try:
            self._connection.request(method, target, text, sent)
            answer = self._connection.getresponse()
            content = answer.read()
        except (http.client.HTTPException, OSError) as error:
            self.hang_up()
            raise CloudError("NetworkError", f"{method} {target.split('?')[0]}: {error}") from error
        self._used = time.monotonic()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, names, json.loads(content) if content else {}
