"""The contract of Tokens, with the emulator's own Entra behind the adapter."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipeline_core.adapters.azure.entra_id.tokens import EntraTokens
from pipeline_core.adapters.azure.web import HttpsWeb
from pipeline_core.adapters.memory.tokens import MemoryTokens
from pipeline_core.adapters.system import SystemClock
from pipeline_core.domain import access
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Principal, Tokens
from tests.contract.conftest import AUDIENCE, Azure

GROUP = "a1b2c3d4-1111-4222-8333-444455556666"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssuer:
    """The port, and a way to a token of a person with roles and groups."""

    tokens: Tokens
    issue: Callable[[str, frozenset[str], frozenset[str]], str]


def entra(azure: Azure, *, tenant: str = "") -> EntraTokens:
    place = azure.configuration
    return EntraTokens(
        HttpsWeb(place.ca_file),
        SystemClock(),
        authority=place.authority,
        tenant=tenant or place.tenant_id,
        audience=AUDIENCE,
        team_groups={GROUP: TeamName("ml")},
    )


@pytest.fixture(params=["memory", "azure"])
def issuer(request: pytest.FixtureRequest) -> TokenIssuer:
    if request.param == "memory":
        twin = MemoryTokens()

        def grant(name: str, roles: frozenset[str], groups: frozenset[str]) -> str:
            teams = access.teams_of(roles, groups, {GROUP: TeamName("ml")})
            twin.grant(f"token of {name}", Principal(subject=name, name=name, roles=roles, teams=teams))
            return f"token of {name}"

        return TokenIssuer(tokens=twin, issue=grant)
    azure: Azure = request.getfixturevalue("azure")

    def issue(name: str, roles: frozenset[str], groups: frozenset[str]) -> str:
        return azure.arm.token(name, AUDIENCE, roles=sorted(roles), groups=sorted(groups))

    return TokenIssuer(tokens=entra(azure), issue=issue)


def test_a_token_proves_who_calls_with_roles_and_teams(issuer: TokenIssuer) -> None:
    roles, groups = frozenset({"Factory.Admin", "Team.payments"}), frozenset({GROUP, "strangers"})
    caller = issuer.tokens.verify(issuer.issue("ada", roles, groups))
    assert (caller.name, caller.roles) == ("ada", roles)
    assert caller.teams == {TeamName("payments"), TeamName("ml")}
    assert caller.subject


def test_two_callers_are_two_subjects(issuer: TokenIssuer) -> None:
    nothing: frozenset[str] = frozenset()
    first, second = (issuer.tokens.verify(issuer.issue(name, nothing, nothing)) for name in ("ada", "bob"))
    assert first.subject != second.subject


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "ey.ey.ey", "ä.ö.ü", "." * 100])
def test_what_is_not_a_token_is_refused(issuer: TokenIssuer, token: str) -> None:
    with pytest.raises(PermanentError) as refused:
        issuer.tokens.verify(token)
    assert refused.value.error_class is ErrorClass.PERMISSION


def test_a_token_that_has_run_out_is_refused(azure: Azure) -> None:
    with pytest.raises(PermanentError, match="expired"):
        entra(azure).verify(azure.arm.token("ada", AUDIENCE, seconds=-120))


def test_a_token_for_somebody_else_is_refused(azure: Azure) -> None:
    with pytest.raises(PermanentError, match=r"[Aa]udience"):
        entra(azure).verify(azure.arm.token("ada", "https://management.azure.com"))


def test_a_token_of_another_tenant_is_refused(azure: Azure) -> None:
    stranger = entra(azure, tenant="99999999-9999-4999-8999-999999999999")
    with pytest.raises(PermanentError, match=r"[Ii]ssuer"):
        stranger.verify(azure.arm.token("ada", AUDIENCE))


def test_a_changed_token_is_refused(azure: Azure) -> None:
    head, body, signature = azure.arm.token("ada", AUDIENCE).split(".")
    other = azure.arm.token("ada", AUDIENCE, roles=["Factory.Admin"]).split(".")[1]
    with pytest.raises(PermanentError, match=r"[Ss]ignature"):
        entra(azure).verify(f"{head}.{other}.{signature}")
    assert entra(azure).verify(f"{head}.{body}.{signature}").roles == frozenset()


@pytest.mark.usefixtures("no_faults")
def test_without_keys_the_answer_is_not_yet_and_never_yes(azure: Azure) -> None:
    azure.arm.ask("POST", "faults", {"path_regex": "discovery", "status": 503})
    with pytest.raises(TransientError):
        entra(azure).verify(azure.arm.token("ada", AUDIENCE))
