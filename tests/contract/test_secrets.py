"""The contract of Secrets."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipeline_core.adapters.azure.secrets import AzureSecrets
from pipeline_core.adapters.memory.secrets import MemorySecrets
from pipeline_core.domain.errors import NotFound, TransientError
from pipeline_core.ports import Secret, Secrets
from tests.contract.conftest import Azure


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """The port, and how an operator sets a secret."""

    secrets: Secrets
    set: Callable[[str, str], object]


@pytest.fixture(params=["memory", "azure"])
def vault(request: pytest.FixtureRequest) -> Vault:
    if request.param == "memory":
        twin = MemorySecrets()
        return Vault(secrets=twin, set=twin.set)
    azure: Azure = request.getfixturevalue("azure")

    def put(name: str, value: str) -> None:
        azure.arm.ask("POST", "secrets", {"name": name, "value": value})

    return Vault(secrets=AzureSecrets(azure.clients.secrets), set=put)


def test_the_newest_value_is_given(vault: Vault, unique_name: Callable[[str], str]) -> None:
    name = unique_name("key")
    vault.set(name, "old")
    vault.set(name, "new \U0001f600")
    assert vault.secrets.get(name).value == "new \U0001f600"
    assert vault.secrets.get(name.upper()).value == "new \U0001f600"


def test_an_older_version_stays_readable(vault: Vault, unique_name: Callable[[str], str]) -> None:
    name = unique_name("notify-a--b")
    first, second = vault.secrets.set(name, "old"), vault.secrets.set(name, "new")
    assert first != second
    assert vault.secrets.get(name) == Secret(version=second, value="new")
    assert vault.secrets.get(name, first) == Secret(version=first, value="old")
    with pytest.raises(NotFound, match=name):
        vault.secrets.get(name, "f" * 32)


def test_no_text_of_a_secret_shows_its_value(vault: Vault, unique_name: Callable[[str], str]) -> None:
    name = unique_name("key")
    vault.secrets.set(name, "the-very-secret")
    assert "the-very-secret" not in repr(vault.secrets.get(name))


def test_a_secret_that_is_not_there_is_named(vault: Vault) -> None:
    with pytest.raises(NotFound, match="absent-key"):
        vault.secrets.get("absent-key")


@pytest.mark.usefixtures("no_faults")
def test_a_value_never_enters_an_error(azure: Azure, unique_name: Callable[[str], str]) -> None:
    name = unique_name("key")
    azure.arm.ask("POST", "secrets", {"name": name, "value": "the-very-secret"})
    fault = {"path_regex": f"secrets/{name}", "status": 503, "after_effect": True, "times": 5}
    azure.arm.ask("POST", "faults", fault)
    with pytest.raises(TransientError, match=name) as failed:
        AzureSecrets(azure.clients.secrets).get(name)
    assert "the-very-secret" not in str(failed.value)
