"""A started emulator that is asked over plain HTTP, so that a test sees each status, header and body itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from local.arm import launch
from tests.local.arm.conftest import FACTORY

VERSIONS = {
    "Microsoft.Compute/galleries": "2024-03-03",
    "Microsoft.Compute/virtualMachines": "2024-03-01",
    "Microsoft.Compute/disks": "2024-03-02",
    "Microsoft.Compute/locations": "2024-03-01",
    "Microsoft.ContainerInstance": "2023-05-01",
    "Microsoft.Network": "2024-05-01",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer: status, error code (or empty), JSON body, headers."""

    status: int
    code: str
    body: Any
    headers: Any

    @property
    def message(self) -> str:
        """The error's text."""
        return str(self.body["error"]["message"])


Ask = Callable[..., Seen]


@pytest.fixture(scope="module")
def tokens(arm: launch.RunningArm) -> Callable[[str], str]:
    """A token for Resource Manager, by client id."""
    kept: dict[str, str] = {}

    def token(client: str) -> str:
        if client not in kept:
            answer = requests.post(
                f"{arm.authority}/{arm.tenant_id}/oauth2/v2.0/token",
                data={
                    "grant_type": "client_credentials",
                    "client_id": client,
                    "client_secret": "any",
                    "scope": "https://management.azure.com/.default",
                },
                verify=str(arm.ca_file),
                timeout=10,
            )
            kept[client] = str(answer.json()["access_token"])
        return kept[client]

    return token


@pytest.fixture(scope="module")
def session(arm: launch.RunningArm) -> Iterator[requests.Session]:
    """One connection to the emulator, not through any proxy."""
    with requests.Session() as made:
        made.trust_env = False
        made.verify = str(arm.ca_file)
        yield made


@pytest.fixture(scope="module")
def ask(arm: launch.RunningArm, session: requests.Session, tokens: Callable[[str], str]) -> Ask:
    """`ask("PUT", "rg-gallery/providers/Microsoft.Compute/galleries/g", {...})`, below the resource groups.

    A path that begins with a slash is asked as it is. `version` is the type's own, if none is given.
    """

    def made(
        method: str, path: str, body: Any = None, *, version: str | None = None, client: str = FACTORY
    ) -> Seen:
        home = f"/subscriptions/{arm.subscription_id}/resourceGroups/"
        whole = path if path.startswith("/") else home + path
        kind = whole.rsplit("/providers/", 1)[-1]
        own = next((each for name, each in VERSIONS.items() if kind.startswith(name)), "2024-03-01")
        chosen = own if version is None else version
        separator = "&" if "?" in whole else "?"
        answer = session.request(
            method,
            f"{arm.arm}{whole}{separator}api-version={chosen}" if chosen else arm.arm + whole,
            json=body,
            headers={"Authorization": f"Bearer {tokens(client)}"},
            timeout=10,
        )
        content = answer.json() if answer.content else None
        code = content["error"]["code"] if answer.status_code >= 400 and content else ""
        return Seen(status=answer.status_code, code=code, body=content, headers=answer.headers)

    return made
