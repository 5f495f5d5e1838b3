"""Bundles: keep one under its digest, with the teams that uploaded it. `domain.bundle_owners` decides about its use.

`services.upkeep.bundles` removes those that nobody uses. What holds between them, at whichever call either stops:

- A record that is not doomed may be relied on for 30 days after it was read or written here. To remove a content, its
  ETag is first written into the record, on the record's ETag. So a removal that has read the record before is refused.
- Each deletion names the doomed ETag, so only that content goes, and never one that was brought since.
- A record is freed by an upload alone, after it has deleted the doomed content and brought the content again.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from pipeline_core.domain import access, bundle_owners
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.errors import AlreadyExists, NotFound, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Digest, TeamName
from pipeline_core.ports import Blobs, Clock, Logs, Principal
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

CONTAINER = "bundles"


def blob_of(digest: Digest) -> str:
    """The name of a bundle's blob in CONTAINER."""
    return f"{digest}.tar.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """An upload costs one read and one write of a row, beside the blob.

    A registration costs two reads, and a write where the record is older than ten days.
    """

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
        self._own(digest, teams, lambda doomed: self._bring_again(digest, content, doomed))
        return self._bring(digest, content)

    def has(self, digest: Digest) -> bool:
        """True where the content is stored already."""
        return self.blobs.find_facts(CONTAINER, blob_of(digest)) is not None

    def hold(self, digest: Digest) -> bool:
        """Keep the content from removal for 30 days; False where it is being removed. Safe to repeat.

        Call this before the content is looked at, and before an image or the platform names the bundle. Of a bundle
        without a record nothing is removed. Costs one read, and a write at times.
        """

        def touch(stored: Stored[BundleRecord] | None) -> bool:
            now = self.clock.now()
            if stored is None or not stored.value.is_stale(now):
                return True
            if stored.value.doomed:
                return False
            self.records.bundles.save(stored.value.adding((), now), etag=stored.etag)
            return True

        return changing(lambda: self.records.bundles.find(digest), touch, subject=f"the bundle {digest}")

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
        absent = f"the bundle {digest} was not uploaded: `imagefactory register` uploads it"
        if not self.has(digest):
            raise NotFound(absent)

        def refuse(doomed: str) -> None:
            raise NotFound(absent)

        shared = self._own(digest, frozenset({to}), refuse)
        if not self.has(digest):  # it was removed just now, with its record; this one is removed in its time
            raise NotFound(absent)
        self.logs.note(
            "bundle-shared", digest=str(digest), team=str(to), actor=principal.actor.identity, why=why
        )
        return shared

    def _may_share(self, principal: Principal) -> bool:
        return access.allows(ApiOperation.SHARE_BUNDLE, principal, access.FACTORY)

    def _bring(self, digest: Digest, content: bytes) -> bool:
        try:
            self.blobs.create(CONTAINER, blob_of(digest), content, media_type="application/gzip")
        except AlreadyExists:
            return False
        return True

    def _bring_again(self, digest: Digest, content: bytes, doomed: str) -> None:
        """Put the content in place of the doomed one, which a removal may delete at any moment."""
        with contextlib.suppress(StaleWrite):  # the removal, or another upload, was faster
            self.blobs.delete(CONTAINER, blob_of(digest), etag=doomed)
        self._bring(digest, content)

    def _own(self, digest: Digest, teams: frozenset[TeamName], free: Callable[[str], None]) -> BundleRecord:
        """Add owners. `free` gets a doomed content's ETag, and makes the bundle usable, or raises."""

        def add(stored: Stored[BundleRecord] | None) -> BundleRecord:
            now = self.clock.now()
            old = BundleRecord(digest=digest, owners=(), touched_at=now)
            if stored is not None and stored.value.doomed:
                free(stored.value.doomed)
            elif stored is not None:
                old = stored.value
            new = old.adding(teams, now)
            self.records.bundles.save(new, etag=None if stored is None else stored.etag)
            return new

        return changing(
            lambda: self.records.bundles.find(digest), add, subject=f"the bundle {digest}", lost=RACED
        )
