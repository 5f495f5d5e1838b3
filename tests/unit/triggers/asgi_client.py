"""Asks an ASGI app, without a server or a socket."""

import asyncio
from typing import Any

import httpx


class AsgiClient:
    """`headers` go with every request; redirects are not followed, and an error of the app is raised here."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.headers: dict[str, str] = {}

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request, with the arguments of httpx."""
        return asyncio.run(self._request(method, path, arguments))

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
