"""Recover one image's records: head, claims and indexes.

It inserts missing records, and keeps existing ones as they are. The head is written last. An image with a head is
complete. An image without a head is recovered again.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, unique

from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts, dispatch, recovery
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotFound,
    PermanentError,
    TransientError,
)
from pipeline_core.domain.images import FormerImage, ImageHead, PublishedVersion, RebuildRequest, Registration
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Digest, GalleryName, ImageName, TeamName
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.recovery import LiveVersion
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource, ParentVersion, SourceVersion
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion, newest
from pipeline_core.ports import Galleries, Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.recovery.live_versions import Found, LiveVersions
from pipeline_core.services.recovery.lost_builds import LostBuilds
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.grants.waivers import put_waiver
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.recovery_log import ImageEntry

_WRITES = 90  # in one transaction, which may have 100


@unique
class RecoveryOutcome(Enum):
    """The result for one image."""

    RECOVERED = "recovered"  # its head is written
    KEPT = "kept"  # its head was there; indexes that lacked it have it now
    DELETED = "deleted"  # it was deleted before: only its last version and revision are kept
    UNKNOWN = "unknown"  # no record, log or gallery shows that it was ever registered


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecovery:
    """Cost: two list calls of galleries and three of blobs, two reads per live version, one per chunk of history and
    per grant. An image that is there costs one list call of blobs, and one read per approval.
    """

    records: Records
    galleries: Galleries
    effects: Effects
    versions: LiveVersions
    lost_builds: LostBuilds
    policy: Policies
    deployment: Deployment

    def in_galleries(self) -> frozenset[ImageName]:
        """Every image that a live gallery knows. Costs one list call per gallery."""
        return frozenset(
            name for gallery in self.deployment.live for name in self.galleries.list_images(gallery)
        )

    def recover(self, name: ImageName, principal: Principal) -> RecoveryOutcome:
        """Recover the image. Raises TransientError.

        Raises PermanentError if the remaining galleries and blobs do not give the lost records.
        """
        known = self.records.images.find_head(name)
        if known is not None:
            self._index(known.value)
            self._index_build(known.value)
            self._recover_approvals(name)
            self.effects.projection.project(name)
            return RecoveryOutcome.KEPT
        if self.records.images.find_former(name) is not None:
            self._recover_approvals(name)
            return RecoveryOutcome.DELETED
        entry = self.effects.recovery_log.find_image(name)
        gallery = self._placement(name, entry)
        if gallery is None:
            return RecoveryOutcome.UNKNOWN
        found = self.versions.look(gallery, name)
        if entry is not None and entry.deleted:
            self._recover_former(name, entry, gallery, found)
            return RecoveryOutcome.DELETED
        if entry is None and found.definition is None:
            return RecoveryOutcome.UNKNOWN
        self._recover_head(name, entry, gallery, found, principal)
        return RecoveryOutcome.RECOVERED

    def _placement(self, name: ImageName, entry: ImageEntry | None) -> GalleryName | None:
        """The live gallery of the recovery log. Without an entry, the first gallery that holds versions of ours."""
        if entry is not None and entry.gallery is not None:
            return GalleryName(entry.gallery)
        for gallery in self.deployment.live:
            listed = self.galleries.list_versions(gallery, name)
            if any(found.tags.get(attempts.PROVENANCE_TAG) for found in listed):
                return gallery
        return None if entry is None else self.deployment.live[0]

    def _recover_head(
        self,
        name: ImageName,
        entry: ImageEntry | None,
        gallery: GalleryName,
        found: Found,
        principal: Principal,
    ) -> None:
        digest = found.definition if entry is None else Digest(entry.definition or "")
        if digest is None:
            raise NotFound(f"neither the recovery log nor a gallery names the definition of {name}")
        definition = self.effects.documents.definition(digest)
        if definition.name != name:
            raise PermanentError(
                ErrorClass.POLICY, f"definition {digest} belongs to {definition.name}, not to {name}"
            )
        logged = None if entry is None else entry.current
        live = [_as_logged(each, entry) for each in found.live]
        current = recovery.current_of(live, None if logged is None else GalleryVersion.parse(logged.version))
        _demand_belief(name, current, found)
        head = ImageHead(
            registration=Registration.of_definition(
                definition, digest, gallery, self.policy.current(), quarantine=self._quarantine_of(name)
            ),
            registered_at=self._registered_at(entry),
            current=current,
            last_version=self._last_version(name, definition, entry, found),
            period=max((each.published.inputs.period for each in live), default=0),
            request=_request_of(entry, current),
            revision=0 if entry is None else entry.revision,
            taken_out=() if entry is None else tuple(map(GalleryVersion.parse, entry.taken_out)),
        )
        claims = recovery.claims_of(
            name, live, current, is_logged=entry is not None, taken_out=head.taken_out
        )
        self._follow(head, live)
        self._index(head)
        self.records.archive.recover(name)
        self._recover_grants(name)
        self._commit(head, claims, principal)
        self.effects.projection.project(name)

    def _commit(self, head: ImageHead, claims: Sequence[Claim], principal: Principal) -> None:
        missing = [
            claim for claim in claims if self.records.images.find_claim(head.name, claim.fingerprint) is None
        ]
        detail = f"current is {head.current.version if head.current else 'nothing'}"
        entry = self.effects.journal.of_image(head.name, Event.REBUILT, actor=principal.actor, detail=detail)
        try:
            while len(missing) > _WRITES:
                some, missing = missing[:_WRITES], missing[_WRITES:]
                self.records.images.commit([records.put_claim(claim, etag=None) for claim in some])
            self.records.images.commit(
                [
                    *(records.put_claim(claim, etag=None) for claim in missing),
                    records.put_head(head, etag=None),
                    records.add_entry(entry),
                ]
            )
        except AlreadyExists as error:
            raise TransientError(
                ErrorClass.CONFLICT, f"{head.name} is being recovered by another request: look again"
            ) from error

    def _recover_former(self, name: ImageName, entry: ImageEntry, gallery: GalleryName, found: Found) -> None:
        """The record of a deleted image. Its name is reserved again: what is not known is denied to every team."""
        last = None if entry.last_version is None else GalleryVersion.parse(entry.last_version)
        numbers = [*found.numbers, *self._quarantined(name), *([] if last is None else [last])]
        known = self._former_definition(name, entry, found)
        team = TeamName(entry.team) if entry.team else None
        if team is None and known is not None:
            team = known[1].team
        is_base = known is not None and isinstance(known[1].origin, MarketplaceSource)
        former = FormerImage(
            name=name,
            revision=entry.revision,
            last_version=max(numbers, default=None),
            team=team,
            is_base=entry.is_base if entry.team else is_base,
            gallery=gallery,
            definition=None if known is None else known[0],
            deleted_at=entry.deleted_at,
        )
        self.records.archive.recover(name)
        self._recover_grants(name)
        self.records.placements.add(gallery, name)
        self.records.reserved.add(name)
        try:
            self.records.images.commit([records.put_former(former, etag=None)])
        except AlreadyExists:
            return

    def _recover_grants(self, name: ImageName) -> None:
        """Insert the approvals of the image as a parent, and its waivers, where they are missing."""
        self._recover_approvals(name)
        for grant in self.effects.recovery_log.grants.waivers(name):
            with contextlib.suppress(AlreadyExists):
                self.records.images.commit([put_waiver(grant, etag=None)])

    def _recover_approvals(self, name: ImageName) -> None:
        """Approvals are in another table than the image: they may be lost while it is there."""
        for approval in self.effects.recovery_log.grants.approvals(name):
            with contextlib.suppress(AlreadyExists):
                self.records.approvals.save(approval, etag=None)

    def _former_definition(
        self, name: ImageName, entry: ImageEntry, found: Found
    ) -> tuple[Digest, ImageDefinition] | None:
        """The last definition: of the entry, else the one that the highest proven version names. None: not known."""
        digest = found.definition if entry.definition is None else Digest(entry.definition)
        if digest is None:
            return None
        try:
            definition = self.effects.documents.definition(digest)
        except TransientError:
            raise
        except FactoryError:  # the blob is lost, or cannot be read
            return None
        return (digest, definition) if definition.name == name else None

    def _registered_at(self, entry: ImageEntry | None) -> datetime:
        if entry is None or entry.registered_at is None:
            return self.effects.clock.now()
        return entry.registered_at

    def _last_version(
        self, name: ImageName, definition: ImageDefinition, entry: ImageEntry | None, found: Found
    ) -> GalleryVersion | None:
        logged = (
            [] if entry is None or entry.last_version is None else [GalleryVersion.parse(entry.last_version)]
        )
        return recovery.last_version_of(
            [*found.numbers, *self._quarantined(name), *logged],
            definition.major,
            self.effects.clock.now().date(),
            was_attempted=self.lost_builds.are_there(name),
        )

    def _quarantined(self, name: ImageName) -> list[GalleryVersion]:
        return [
            found.version
            for gallery in self.deployment.quarantines
            for found in self.galleries.list_versions(gallery, name)
        ]

    def _quarantine_of(self, name: ImageName) -> GalleryName:
        """The quarantine gallery that has the image's definition; the first where none has it yet."""
        galleries = self.deployment.quarantines
        if len(galleries) == 1:
            return galleries[0]
        made = (each for each in galleries if self.galleries.find_image(each, name) is not None)
        return next(made, galleries[0])

    def _follow(self, head: ImageHead, live: Sequence[LiveVersion]) -> None:
        """Follow the source, with the newest version that was ever built of it.

        Otherwise a withdrawn version would make an image stale.
        """
        source = head.registration.origin
        if not isinstance(source, MarketplaceSource):
            return
        origins = [each.published.inputs.origin for each in live]
        seen = newest(
            origin.version
            for origin in origins
            if isinstance(origin, SourceVersion) and origin.source == source
        )
        self.records.sources.follow(source)
        if seen is not None:
            self._raise_newest(source, seen)

    def _raise_newest(self, source: MarketplaceSource, seen: MarketplaceVersion) -> None:
        def follow(followed: Stored[FollowedSource] | None) -> None:
            if followed is None or (followed.value.newest is not None and followed.value.newest >= seen):
                return
            self.records.sources.save(replace(followed.value, newest=seen), etag=followed.etag)

        changing(
            lambda: self.records.sources.find(source), follow, subject=str(source.key), remedy="look again"
        )

    def _index(self, head: ImageHead) -> None:
        """The rows that lead to the image: below its origin, in its galleries, and below a parent that it has left."""
        registration = head.registration
        self.records.index_origin(head.name, registration.origin)
        for gallery in (registration.gallery, self.deployment.quarantine_of(registration.quarantine)):
            self.records.placements.add(gallery, head.name)
        built_from = None if head.current is None else head.current.inputs.origin
        if isinstance(built_from, ParentVersion) and built_from.image != registration.parent:
            self.records.index.note_moved(built_from.image, head.name)

    def _index_build(self, head: ImageHead) -> None:
        """Index a build whose records remained while its index rows were lost."""
        stored = None if head.active is None else self.records.images.find_build(head.active.build)
        if stored is None:
            return
        build = stored.value
        self.records.index.add_active(build.id)
        if build.phase is Phase.PENDING:
            self.records.index.add_pending(dispatch.first_row_of(build))


def _as_logged(each: LiveVersion, entry: ImageEntry | None) -> LiveVersion:
    """The version with the lane and the time of the recovery log, if the log's entry is about this very version."""
    logged = None if entry is None else entry.current
    if logged is None or logged.version != str(each.version):
        return each
    published = replace(each.published, lane=Lane(logged.lane), published_at=logged.at, scan=logged.scan())
    return replace(each, published=published)


def _demand_belief(name: ImageName, current: PublishedVersion | None, found: Found) -> None:
    """A doubted version may be the current one. An older version in its place would cause a needless rebuild."""
    for version, why in found.doubted.items():
        if current is None or version > current.version:
            raise PermanentError(
                ErrorClass.POLICY, f"{name}@{version} may be current, but cannot be believed: {why}"
            )


def _request_of(entry: ImageEntry | None, current: PublishedVersion | None) -> RebuildRequest | None:
    """The newest request.

    If the recovery log lags behind the current version, this is the request that the version answers.
    """
    logged = None if entry is None or entry.request is None else entry.request.to_domain()
    is_logged = (
        entry is not None
        and current is not None
        and entry.current is not None
        and entry.current.version == str(current.version)
    )
    if current is None or is_logged or current.inputs.token is None:
        return logged
    if logged is not None and logged.token == current.inputs.token:
        return logged
    return RebuildRequest(token=current.inputs.token, actor="unknown", at=current.published_at)
