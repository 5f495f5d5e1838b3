"""Each request passes here: counts, faults, tokens, rights, Resource Manager's rules. Then the service answers.

This module decides which callers may enter and which service gets a request. It never decides a service's answer.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from local.arm.faults import InjectedFaults
from local.arm.identity.rights import Rights
from local.arm.identity.tokens import (
    ARM_AUDIENCES,
    LOGIN,
    VAULT_AUDIENCES,
    Caller,
    InvalidToken,
    TokenIssuer,
)
from local.arm.request_counts import RequestCounts
from local.arm.rules.door import ResourceManagerRules
from local.arm.rules.versions import missing_api_version
from local.arm.tag_policy import TagPolicy
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Routes, not_emulated


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The routes by their demand: no token, the vault's token, or ARM's token and rights."""

    open: tuple[ArmRoute, ...] = ()
    vault: tuple[ArmRoute, ...] = ()
    arm: tuple[ArmRoute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The checks and the counts that every request passes."""

    tokens: TokenIssuer
    rights: Rights
    faults: InjectedFaults
    counts: RequestCounts
    policy: TagPolicy
    rules: ResourceManagerRules


class FrontDoor:
    """Takes every request to the emulated endpoints."""

    def __init__(self, services: Services, checks: Checks, *, subscriptions: Iterable[str]) -> None:
        self._open, self._vault, self._arm = (
            Routes(services.open),
            Routes(services.vault),
            Routes(services.arm),
        )
        self._tokens, self._rights = checks.tokens, checks.rights
        self._faults, self._counts = checks.faults, checks.counts
        self._policy, self._rules = checks.policy, checks.rules
        self._subscriptions = frozenset(each.lower() for each in subscriptions)

    async def answer(self, call: Call) -> ArmAnswer:
        """The answer to one request. A fault for this request comes first."""
        fault = self._faults.take(call.method, call.path)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.in_operation:
            call = replace(call, outcome=fault.outcome())
        is_lost = fault is not None and fault.status != 0 and not fault.in_operation
        if fault is not None and is_lost and not fault.after_effect:
            self._answer_route(call, only_count=True)
            return fault.answer()
        try:
            found = self._answer_route(call, only_count=False)
            answer = found if isinstance(found, ArmAnswer) else await found
        except ArmError as error:
            answer = error.answer()
        return fault.answer() if fault is not None and is_lost else answer

    def _answer_route(self, call: Call, *, only_count: bool) -> ArmAnswer | Awaitable[ArmAnswer]:
        for routes, audiences in (
            (self._open, None),
            (self._vault, VAULT_AUDIENCES),
            (self._arm, ARM_AUDIENCES),
        ):
            found = routes.find(call.method, call.path)
            if found is None:
                continue
            route, names = found
            self._counts.count(route.name, is_arm=routes is self._arm)
            if only_count:
                return ArmAnswer()
            if audiences is None:
                return route.endpoint(replace(call, names=names))
            caller, headers = self._admit(call, route, audiences)
            allows = partial(self._rights.check, caller)
            return _with_headers(route.endpoint(replace(call, names=names, allows=allows)), headers)
        self._counts.count(f"{call.method} (not emulated)", is_arm=True)
        if only_count:
            return ArmAnswer()
        if call.path.lower().startswith("/subscriptions/"):
            self._authenticate(call, ARM_AUDIENCES)
        raise not_emulated(call.method, call.path, call.api_version)

    def _admit(
        self, call: Call, route: ArmRoute, audiences: frozenset[str]
    ) -> tuple[Caller, Mapping[str, str]]:
        """The caller, and headers for the answer."""
        caller = self._authenticate(call, audiences)
        if audiences is not ARM_AUDIENCES:
            if route.api_version and not call.api_version:
                raise missing_api_version()
            return caller, {}
        self._rules.check_version(call)
        parts = call.path.strip("/").split("/")
        if parts[0].lower() != "subscriptions" or len(parts) == 1:
            return caller, {}  # lists of what the caller may see; nobody needs a right for them
        if parts[1].lower() not in self._subscriptions:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{parts[1]}' could not be found.")
        self._rights.check(caller, call.method, call.path)
        headers = self._rules.check(call, caller.client_id)
        self._policy.check(call)
        return caller, headers

    def _authenticate(self, call: Call, audiences: frozenset[str]) -> Caller:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            text = "Authentication failed. The 'Authorization' header is missing or invalid."
            raise self._challenge(call, audiences, "AuthenticationFailed", text)
        try:
            return self._tokens.verify(token, audiences)
        except InvalidToken as error:
            text = f"The access token is invalid: {error}."
            raise self._challenge(call, audiences, "InvalidAuthenticationToken", text) from error

    def _challenge(self, call: Call, audiences: frozenset[str], code: str, text: str) -> ArmError:
        login = f"{LOGIN if call.is_named else self._tokens.authority}/{self._tokens.tenant}"
        if audiences is VAULT_AUDIENCES:
            challenge = f'Bearer authorization="{login}", resource="https://vault.azure.net"'
        else:
            challenge = (
                f'Bearer authorization_uri="{login}", error="invalid_token", error_description="The authentication '
                "failed because of missing 'Authorization' header.\""
            )
        return ArmError(401, code, text, headers={"WWW-Authenticate": challenge})


async def _with_headers(answer: ArmAnswer | Awaitable[ArmAnswer], headers: Mapping[str, str]) -> ArmAnswer:
    """An answer with Resource Manager's own headers added."""
    given = answer if isinstance(answer, ArmAnswer) else await answer
    return replace(given, headers={**headers, **given.headers}) if headers else given
