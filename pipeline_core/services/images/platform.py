"""Put new platform steps and a new catalog in force. SecOps adds them to every build."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline_core.domain import access
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.names import CampaignId, Digest
from pipeline_core.domain.staleness import Platform
from pipeline_core.guard import bundles
from pipeline_core.guard import catalog as guard
from pipeline_core.ports import Blobs, Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state.stores import Records
from pipeline_core.wire.bundle import COMPRESSED_LIMIT
from pipeline_core.wire.problems import InvalidDocument, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Platforms:
    """A change makes every image stale. The roots get a message, and the cascade reaches all other images."""

    records: Records
    effects: Effects
    blobs: Blobs
    policy: Policies

    def put(self, bundle: Digest, catalog: Mapping[str, object], principal: Principal) -> Platform:
        """Raises InvalidDocument with every problem, and PermanentError (PERMISSION)."""
        access.demand_admin(principal.roles, "changes the platform steps")
        problems = [finding.as_problem() for finding in guard.check_catalog(catalog)]
        problems += self._bundle_problems(bundle, catalog)
        problems += self._not_allowed(catalog)
        if problems:
            raise InvalidDocument(problems)
        entries = guard.entries_of(catalog)
        platform = Platform(
            digest=bundle,
            catalog={entry.id: (entry.id, entry.version, entry.sha256) for entry in entries},
            urls={entry.id: entry.url for entry in entries},
        )
        if (
            self.records.sources.platform_revision() == 0
            and self.effects.recovery_log.find_platform() is not None
        ):
            raise PermanentError(
                ErrorClass.CONFLICT,
                "the records of the platform steps were lost: run `imagefactory state recover` first",
            )
        self.effects.recovery_log.announce(None)
        self.records.sources.save_platform(platform)
        self.effects.recovery_log.settle(None)
        self._wake_roots(CampaignId(f"platform-{str(bundle)[:12]}"))
        self.effects.logs.note("platform-changed", digest=str(bundle), actor=principal.subject)
        return platform

    def _bundle_problems(self, bundle: Digest, catalog: Mapping[str, object]) -> Iterator[Problem]:
        try:
            content = self.blobs.read("bundles", f"{bundle}.tar.gz", limit=COMPRESSED_LIMIT)
        except NotFound:
            yield Problem(
                path="bundle",
                message=f"the bundle {bundle} was not uploaded",
                remedy="PUT it to /api/bundles/{sha256} first",
            )
            return
        for finding in bundles.check_platform(content, catalog):
            yield finding.as_problem()

    def _not_allowed(self, catalog: Mapping[str, object]) -> Iterator[Problem]:
        """The entries that SecOps' own policy does not allow. The guard reports entries of a wrong form."""
        policy = self.policy.demand()
        entries = catalog.get("entries")
        for position, entry in enumerate(entries if isinstance(entries, list) else ()):
            tool = entry.get("id") if isinstance(entry, Mapping) else None
            if policy.catalog and isinstance(tool, str) and tool not in policy.catalog:
                yield Problem(
                    path=f"catalog.entries[{position}].id",
                    message=f"is {tool[:60]!r}, which policy {policy.revision} does not allow in an image",
                    remedy="put a policy in force that lists it, then send the catalog again",
                )

    def _wake_roots(self, campaign: CampaignId) -> None:
        """Cost: one message per root. If this process ends in between, the sweep does the rest."""
        for followed in self.records.sources.list():
            for root in self.records.index.roots(followed.value.source):
                self.effects.outbox.rebuild(root, "platform-changed", campaign)
