"""Asks an ASGI app, without a server or a socket. An answer whose status is not in the OpenAPI document is an error."""

import asyncio
import re
from typing import Any

import httpx


class AsgiClient:
    """`headers` go with every request; redirects are not followed, and an error of the app is raised here.

    `is_held_to_document` is False where a twin raises what its service never raises.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.headers: dict[str, str] = {}
        self.is_held_to_document = True

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request, with the arguments of httpx."""
        answer = asyncio.run(self._request(method, path, arguments))
        if self.is_held_to_document and hasattr(self._app, "openapi"):
            demand_documented(self._app.openapi(), answer)
        return answer

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **arguments)

    def put(self, path: str, **arguments: Any) -> httpx.Response:
        """PUT."""
        return self.request("PUT", path, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **arguments)

    def delete(self, path: str, **arguments: Any) -> httpx.Response:
        """DELETE."""
        return self.request("DELETE", path, **arguments)

    async def _request(self, method: str, path: str, arguments: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=self._transport, base_url="https://factory.example", headers=self.headers
        ) as client:
            return await client.request(method, path, **arguments)


def demand_documented(document: dict[str, Any], answer: httpx.Response) -> None:
    """Fail where the document has the operation of this answer, and not its status."""
    method, path = answer.request.method.lower(), answer.request.url.path
    for template, operations in document["paths"].items():
        if method in operations and re.fullmatch(re.sub(r"\{[a-z0-9]+\}", "[^/]+", template), path):
            documented = operations[method]["responses"]
            assert str(answer.status_code) in documented, (method, template, answer.status_code, answer.text)
            return
