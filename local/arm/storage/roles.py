"""The roles of callers on storage: built-in roles on single containers and queues, by client id.

What a role allows is that of learn, role-based-access-control/built-in-roles/storage. A client without a role may do
nothing. The roles of the builder's identity are those of `infra/`, and a test holds both equal.
"""

from dataclasses import dataclass
from typing import Final

READER: Final = "Storage Blob Data Reader"
CONTRIBUTOR: Final = "Storage Blob Data Contributor"
SENDER: Final = "Storage Queue Data Message Sender"
# The service of each role, and the methods that it allows there; None stands for all.
_ALLOWED: Final = {
    READER: ("blob", ("GET", "HEAD")),
    CONTRIBUTOR: ("blob", None),
    SENDER: ("queue", ("POST",)),
}
BUILDER_ROLES: Final = ((SENDER, "build-events"),)
# As releases before the tokens for blobs gave them, and as the upgrade keeps them until the last old container ended.
OLD_BUILDER_ROLES: Final = ((READER, "bundles"), (READER, "jobs"), (CONTRIBUTOR, "builds"), *BUILDER_ROLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRole:
    """A built-in role of one client on one container or queue."""

    client_id: str
    name: str
    scope: str


class StorageRoles:
    """The table."""

    def __init__(self) -> None:
        self._roles: list[StorageRole] = []

    def add(self, role: StorageRole) -> None:
        """Add a role. Raises KeyError for one whose rights are not known here."""
        _ALLOWED[role.name]
        self._roles.append(role)

    def allow(self, client_id: str, service: str, method: str, place: str) -> bool:
        """True if a role covers this request to `place`, which begins with the container or the queue."""
        scope = place.partition("/")[0]
        return any(
            _covers(role, service, method)
            for role in self._roles
            if role.client_id.lower() == client_id.lower() and role.scope == scope
        )


def _covers(role: StorageRole, service: str, method: str) -> bool:
    of_service, methods = _ALLOWED[role.name]
    return service == of_service and (methods is None or method in methods)
