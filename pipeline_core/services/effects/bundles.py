"""Bundles: keep one under its digest, with the teams that uploaded it. `domain.bundle_owners` decides about its use."""

from dataclasses import dataclass

from pipeline_core.domain import access, bundle_owners
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.errors import AlreadyExists, NotFound
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Digest, TeamName
from pipeline_core.ports import Blobs, Clock, Logs, Principal
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_CONTAINER = "bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """An upload costs one read and one write of a row, beside the blob; a registration costs one read."""

    records: Records
    blobs: Blobs
    clock: Clock
    logs: Logs
    secops: TeamName

    def keep(self, digest: Digest, content: bytes, principal: Principal) -> bool:
        """Store a checked bundle, and make the caller's teams its owners; False where it is stored already."""
        access.demand_ever(ApiOperation.STORE_BUNDLE, principal)
        teams = principal.teams
        if self._may_share(principal):
            teams |= {self.secops}
        self._own(digest, teams)
        try:
            self.blobs.create(_CONTAINER, f"{digest}.tar.gz", content, media_type="application/gzip")
        except AlreadyExists:
            return False
        return True

    def has(self, digest: Digest) -> bool:
        """True where the content is stored already."""
        return self.blobs.find_facts(_CONTAINER, f"{digest}.tar.gz") is not None

    def demand(self, digest: Digest, team: TeamName, old: ImageHead | None, principal: Principal) -> None:
        """Raise PermanentError (PERMISSION) unless the image of this team may be registered with the bundle.

        `old` is the image as it is registered. For a bundle without a record the fleet is read once.
        """
        uses_it = old is not None and (old.registration.bundle, old.registration.team) == (digest, team)
        if uses_it or self._may_share(principal):
            return
        stored = self.records.bundles.find(digest)
        if stored is None:
            uses_it = any(
                (head.registration.bundle, head.registration.team) == (digest, team)
                for head in self.records.index.heads()
            )
        record = None if stored is None else stored.value
        bundle_owners.demand_bundle(digest, record, team, principal, uses_it=uses_it)

    def share(self, digest: Digest, to: TeamName, principal: Principal, reason: str) -> BundleRecord:
        """Let another team use a stored bundle. Safe to repeat. Raises PermanentError (PERMISSION), NotFound."""
        access.demand(ApiOperation.SHARE_BUNDLE, principal)
        why = access.demand_reason(reason, "the log of the factory")
        if not self.has(digest):
            raise NotFound(f"the bundle {digest} was not uploaded: `imagefactory register` uploads it")
        shared = self._own(digest, frozenset({to}))
        self.logs.note(
            "bundle-shared", digest=str(digest), team=str(to), actor=principal.actor.identity, why=why
        )
        return shared

    def _may_share(self, principal: Principal) -> bool:
        return access.allows(ApiOperation.SHARE_BUNDLE, principal, access.FACTORY)

    def _own(self, digest: Digest, teams: frozenset[TeamName]) -> BundleRecord:
        def add(stored: Stored[BundleRecord] | None) -> BundleRecord:
            now = self.clock.now()
            old = BundleRecord(digest=digest, owners=(), touched_at=now) if stored is None else stored.value
            new = old.adding(teams, now)
            self.records.bundles.save(new, etag=None if stored is None else stored.etag)
            return new

        return changing(
            lambda: self.records.bundles.find(digest), add, subject=f"the bundle {digest}", lost=RACED
        )
