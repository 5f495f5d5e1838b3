"""Accept definitions and bundles, and delete definitions. A refusal names every error at once and registers nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline_core.domain import access, conditions, reservations, wishes
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.definitions import ImageDefinition, OsTraits
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotFound,
    PermanentError,
    StaleWrite,
)
from pipeline_core.domain.images import FormerImage, ImageHead, Registration
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId, Digest, ImageName
from pipeline_core.domain.placement import Placement
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.ports import Principal
from pipeline_core.services.effects.bundles import Bundles
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.images.placements import Placements
from pipeline_core.services.images.places import Places
from pipeline_core.services.images.rules import RegistrationRules
from pipeline_core.services.policies.day_limits import DayLimits
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument, Problem


class _HeadMovedError(FactoryError):
    """The head changed between the look at it and the write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The stored head; `created` is false where the definition replaced an older one. `os` is what a build fixes.

    `notes` are for people.
    """

    head: ImageHead
    os: OsTraits
    etag: str
    created: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Registration of images."""

    records: Records
    bundles: Bundles
    effects: Effects
    rules: RegistrationRules
    days: DayLimits
    places: Places
    placements: Placements

    def store_bundle(self, digest: Digest, content: bytes, principal: Principal) -> bool:
        """Store a bundle under its digest, for the teams of the caller; False where it is stored already.

        Raises InvalidDocument, and OverLimit where the caller's teams have stored as many as they may today. A bundle
        that is stored already is not counted, so a team at its limit can go on with what it has.
        """
        actual = hashlib.sha256(content).hexdigest()
        if actual != str(digest):
            raise InvalidDocument(
                [
                    Problem(
                        path="bundle",
                        message=f"the content has the SHA-256 {actual}, not {digest}",
                        remedy="send the bundle under its own digest; `imagefactory pack` prints it",
                    )
                ]
            )
        full = self.days.find_full(principal)
        if full is not None and not self.bundles.has(digest):
            raise full
        findings = self.rules.findings(content)
        if findings:
            raise InvalidDocument([finding.as_problem() for finding in findings])
        is_new = self.bundles.keep(digest, content, principal)
        if is_new:
            self.days.count_bundle(principal)
        return is_new

    def register(
        self,
        name: ImageName,
        document: Mapping[str, object],
        bundle: Digest,
        principal: Principal,
        *,
        expected: str | None,
        create_only: bool,
    ) -> Registered:
        """Store a definition in place of the document version that the caller has read.

        A build that changes the head meanwhile is not a conflict: the change is made again on the new head.
        `expected` is the ETag of an update. `create_only` demands that the image is new. Raises
        InvalidDocument with every problem, PermanentError (PERMISSION), StaleWrite, AlreadyExists.
        """
        definition = self.effects.documents.parse(document, bundle)
        return changing(
            lambda: self.records.images.find_head(name),
            lambda old: self._store(
                name, old, definition, document, principal, expected=expected, create_only=create_only
            ),
            subject=str(name),
            remedy="send it again",
            lost=_HeadMovedError,
        )

    def _store(
        self,
        name: ImageName,
        old: Stored[ImageHead] | None,
        definition: ImageDefinition,
        document: Mapping[str, object],
        principal: Principal,
        *,
        expected: str | None,
        create_only: bool,
    ) -> Registered:
        former = None if old is not None else self.records.images.find_former(name)
        self._demand_right(definition, None if old is None else old.value, former, principal)
        _demand_version(name, None if old is None else old.value, expected=expected, create_only=create_only)
        self.bundles.demand(definition.bundle, definition.team, None if old is None else old.value, principal)
        policy = self.rules.demand_policy()
        problems = [*self.rules.problems(name, definition, None if old is None else old.value, policy)]
        look = self.rules.look_at_azure(definition, None if old is None else old.value)
        if problems or look.problems:
            raise InvalidDocument([*problems, *look.problems])
        digest = self.effects.documents.store(image_yaml.definition_blob(document, definition.bundle))
        if old is None and former is None:
            self._demand_records(name)
        head = self._head(definition, digest, policy, old, former)
        entry = self.effects.journal.of_image(
            name, Event.REGISTERED, actor=principal.actor, detail=str(digest)
        )
        writes = [
            records.put_head(head, etag=None if old is None else old.etag),
            records.add_entry(entry),
        ]
        if former is not None:
            writes.append(records.delete_former(name, etag=former.etag))
        before = None if old is None else old.value.registration.origin
        begun = self.places.begin(name, before, definition.origin)
        self.effects.recovery_log.announce(name)
        self.places.index(head)
        try:
            self.places.commit(writes, begun)
        except (AlreadyExists, StaleWrite) as error:
            raise _HeadMovedError from error
        self.effects.recovery_log.settle(name)
        self.places.follow(head, None if old is None else old.value)
        if begun is not None:
            self.places.end(begun.move, is_done=True)
        if former is not None:
            self.records.reserved.remove(name)
        self.effects.outbox.rebuild(name, "definition", CampaignId(f"definition-{name}-{str(digest)[:12]}"))
        notes = (*look.notes, *self.rules.notes(definition, policy))
        if old is not None and _is_judged_anew(head, old.value):
            notes = (*notes, f"`verify` has changed: {conditions.verify_remedy(head)}")
        halted = self.records.pauses.text(self.effects.clock.now())
        if halted:
            notes = (*notes, f"{halted}; nothing is built before the pause ends")
        self.effects.logs.note("image-registered", image=str(name), actor=principal.actor.identity)
        return Registered(
            head=head, os=definition.os, etag=head.document_etag, created=old is None, notes=notes
        )

    def unregister(self, name: ImageName, principal: Principal, expected: str) -> None:
        """Forget a definition. Refused while it has children or an active build.

        Its live versions stay, and while they do, its name is reserved for its team.
        """
        head = self.records.images.get_head(name)
        access.demand(ApiOperation.UNREGISTER_IMAGE, principal, head.value.registration.subject)
        if head.value.document_etag != expected:
            raise StaleWrite(f"{name} has changed since it was read: read it again")
        if head.value.active is not None:
            raise AlreadyExists(f"build {head.value.active.build} of {name} runs: wait for its end")
        entry = self.effects.journal.of_image(name, Event.UNREGISTERED, actor=principal.actor)
        former = FormerImage.of_head(head.value, self.effects.clock.now())
        writes = [
            records.delete_head(name, etag=head.etag),
            records.put_former(former, etag=None),
            records.add_entry(entry),
        ]
        begun = self.places.begin(name, head.value.registration.origin, None)
        if not former.is_free:
            self.records.reserved.add(name)
        self.effects.recovery_log.announce(name)
        self.places.commit(writes, begun, head=head.value)
        self.effects.recovery_log.settle(name)
        self.effects.logs.note("image-unregistered", image=str(name), actor=principal.actor.identity)
        self.places.leave(head.value)
        self.effects.projection.project(name)
        if begun is not None:
            self.places.end(begun.move, is_done=True)

    def _demand_right(
        self,
        definition: ImageDefinition,
        old: ImageHead | None,
        former: Stored[FormerImage] | None,
        principal: Principal,
    ) -> None:
        """The old and the new team of an image must both agree, so that no team can take over an image or its name."""
        if former is not None:
            self._demand_name(former.value, principal)
        is_base = isinstance(definition.origin, MarketplaceSource)
        subjects = [access.subject_of(definition.name, definition.team, is_base=is_base)]
        if old is not None:
            subjects.append(old.registration.subject)
        for subject in subjects:
            access.demand(ApiOperation.REGISTER_IMAGE, principal, subject)

    def _demand_name(self, former: FormerImage, principal: Principal) -> None:
        try:
            reservations.demand_name(former, principal)
        except PermanentError:
            # An older release wrote no row: from now on its gallery is seen.
            self.records.reserved.add(former.name)
            raise

    def _demand_records(self, name: ImageName) -> None:
        """Refuse an image that only the recovery log has: it would begin again, above versions that it cannot see."""
        if self.effects.recovery_log.find_image(name) is not None:
            raise PermanentError(
                ErrorClass.CONFLICT,
                f"the records of {name} were lost: ask SecOps to run `imagefactory state recover` first",
            )

    def _head(
        self,
        definition: ImageDefinition,
        digest: Digest,
        policy: Policy,
        old: Stored[ImageHead] | None,
        former: Stored[FormerImage] | None = None,
    ) -> ImageHead:
        if old is None:
            placed = self.placements.place(definition.name)
        else:
            known = old.value.registration
            placed = Placement(live=known.gallery, quarantine=known.quarantine)
        registration = Registration.of_definition(
            definition, digest, placed.live, policy, quarantine=placed.quarantine
        )
        if old is not None:
            revision = old.value.revision + 1
            moved = replace(old.value, registration=registration, failures=0, revision=revision)
            return self._with_wish(moved, old.value)
        return ImageHead(
            registration=registration,
            registered_at=self.effects.clock.now(),
            last_version=self.rules.last_version(definition.name, None),
            revision=1 if former is None else former.value.revision + 1,
        )

    def _with_wish(self, head: ImageHead, old: ImageHead) -> ImageHead:
        """The head with a wish for a rebuild, where its version was judged by another `verify`."""
        judged_by = "" if head.current is None else head.current.gates or old.registration.gates
        return wishes.to_be_judged(head, judged_by=judged_by, actor=FACTORY, now=self.effects.clock.now())


def _demand_version(
    name: ImageName, old: ImageHead | None, *, expected: str | None, create_only: bool
) -> None:
    if create_only:
        if old is not None:
            raise AlreadyExists(f"image {name} is registered already: read it, then update it with If-Match")
        return
    if old is None:
        raise NotFound(f"image {name} is not registered: create it with If-None-Match: *")
    if old.document_etag != expected:
        raise StaleWrite(f"image {name} has changed since it was read: read it again, then repeat the change")


def _is_judged_anew(head: ImageHead, old: ImageHead) -> bool:
    """True where a version is live that was not judged by what the new definition demands."""
    before, current = old.registration, head.current
    if current is None or before.gates == head.registration.gates:
        return False
    return (current.gates or before.gates) != head.registration.gates
