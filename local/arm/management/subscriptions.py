"""Subscriptions, tenants, regions, and the resource providers that a subscription is registered for.

What azure-cli asks at sign-in (`GET /subscriptions`, `GET /tenants`) and for `account` and `provider` commands.
"""

from collections.abc import Sequence
from typing import Final

from local.arm.rules.versions import ApiVersions
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

_ONE: Final = "/subscriptions/{subscription}"
_PROVIDER: Final = _ONE + "/providers/{namespace}"


class Subscriptions:
    """The subscriptions of one tenant. Every emulated provider is registered."""

    def __init__(
        self,
        published: ApiVersions,
        *,
        subscriptions: Sequence[str],
        tenant: str,
        locations: Sequence[str],
    ) -> None:
        self._published = published
        self._subscriptions = tuple(subscriptions)
        self._tenant = tenant
        self._locations = tuple(locations)

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        return [
            ArmRoute("GET", "/subscriptions", self._list),
            ArmRoute("GET", "/tenants", self._tenants),
            ArmRoute("GET", _ONE, lambda call: ArmAnswer(body=self._shown(call.names["subscription"]))),
            ArmRoute("GET", f"{_ONE}/locations", self._regions),
            ArmRoute("GET", f"{_ONE}/providers", self._list_providers),
            ArmRoute("GET", _PROVIDER, self._get_provider),
            ArmRoute("POST", f"{_PROVIDER}/register", self._get_provider),
        ]

    def _list(self, _call: Call) -> ArmAnswer:
        return ArmAnswer(body={"value": [self._shown(each) for each in self._subscriptions]})

    def _tenants(self, _call: Call) -> ArmAnswer:
        shown = {
            "id": f"/tenants/{self._tenant}",
            "tenantId": self._tenant,
            "countryCode": "NL",
            "displayName": "Image Factory local",
            "domains": [],
            "tenantCategory": "Home",
        }
        return ArmAnswer(body={"value": [shown]})

    def _shown(self, name: str) -> Json:
        return {
            "id": f"/subscriptions/{name}",
            "subscriptionId": name,
            "tenantId": self._tenant,
            "displayName": "Image Factory local",
            "state": "Enabled",
            "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "spendingLimit": "Off"},
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
        }

    def _regions(self, call: Call) -> ArmAnswer:
        home = f"/subscriptions/{call.names['subscription']}/locations"
        shown = [
            {
                "id": f"{home}/{name}",
                "name": name,
                "type": "Region",
                "displayName": name,
                "regionalDisplayName": name,
                "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
            }
            for name in self._locations
        ]
        return ArmAnswer(body={"value": shown})

    def _list_providers(self, call: Call) -> ArmAnswer:
        return ArmAnswer(
            body={"value": [self._provider(call, each) for each in self._published.namespaces()]}
        )

    def _get_provider(self, call: Call) -> ArmAnswer:
        wanted = call.names["namespace"].lower()
        found = next((each for each in self._published.namespaces() if each.lower() == wanted), None)
        if found is None:
            text = f"the resource provider {call.names['namespace']} is not emulated; its registration is unknown"
            raise ArmError(501, "NotEmulated", text)
        return ArmAnswer(body=self._provider(call, found))

    def _provider(self, call: Call, namespace: str) -> Json:
        types = [
            {
                "resourceType": name,
                "locations": list(self._locations),
                "apiVersions": list(reversed(versions)),
            }
            for name, versions in self._published.types(namespace)
        ]
        return {
            "id": f"/subscriptions/{call.names['subscription']}/providers/{namespace}",
            "namespace": namespace,
            "registrationPolicy": "RegistrationRequired",
            "registrationState": "Registered",
            "resourceTypes": types,
        }
