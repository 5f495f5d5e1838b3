"""SecOps' policy: which version is in force, what it demands of an image, and how a new version comes in force.

Every decision uses the policy that is in force at that moment: a gate and a registration read the row each
time. Only the parsed document is cached. It is cached under its digest, so it cannot change.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.capacity import TeamSlots
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    MalformedMessage,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
    UnreadableRow,
)
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import upwards
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.policy import OPEN, ComplianceFloor, Policy, PolicyVersion
from pipeline_core.ports import Blobs, Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state.concurrency import changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire import policy as wire
from pipeline_core.wire.document.problems import path_of
from pipeline_core.wire.document.text import DOCUMENT_LIMIT
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.problems import InvalidDocument, Problem

_CONTAINER = "definitions"
_TEXT = 500  # characters of an error that are kept
_KEPT = 8  # parsed documents held in memory
_BLOB_LIMIT = DOCUMENT_LIMIT + 1024
HISTORY_LIMIT = 200  # versions a page holds at most


class PolicyLost(TransientError):
    """A policy was in force, and no table says which one."""

    def __init__(self) -> None:
        super().__init__(
            ErrorClass.CONFLICT,
            "the record of the policy was lost, and nothing is judged without it: "
            "have SecOps run `imagefactory state recover --force`",
        )


class PolicyDocumentLost(UnreadableRow):
    """A policy is in force, and its document is gone or was changed. Nothing is judged without it."""

    def __init__(self, version: PolicyVersion, why: str) -> None:
        super().__init__(
            f"the document of policy {version.revision} {why}, and the factory waits: have SecOps put it, or another"
            f" one, in force again by `imagefactory policy set FILE`",
            partition="policy",
            key=str(version.revision),
        )
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyShown:
    """One version with its document. `unregistered` lists bases of it whose names no image has (yet).

    `notes` say what SecOps should change in a document that an older release accepted.
    """

    version: PolicyVersion
    document: Mapping[str, object]
    unregistered: tuple[ImageName, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Reads and changes the policy. One point read finds the policy in force."""

    records: Records
    blobs: Blobs
    effects: Effects
    _parsed: dict[Digest, Policy] = field(default_factory=dict, init=False, repr=False, compare=False)

    def current(self) -> Policy:
        """The policy in force, for a caller that judges by it. OPEN if no policy was ever put in force.

        Raises PolicyLost if a policy was in force and its record is lost: without the policy, nothing passes.
        """
        found = self._row().value
        return OPEN if found.revision == OPEN.revision else self._policy(found)

    def demand(self) -> Policy:
        """As `current`, for a caller that acts for a person. Raises PermanentError (CONFLICT) with the remedy."""
        try:
            return self.current()
        except PolicyLost as error:
            raise PermanentError(ErrorClass.CONFLICT, str(error)) from error

    def seen(self) -> Policy:
        """The policy in force, for a caller that only shows its meaning. Cheaper if there is no policy."""
        stored = self.records.policies.find_current()
        return OPEN if stored is None else self._policy(stored.value)

    def usable(self) -> Policy:
        """The policy in force, for its limits alone. OPEN, with the usual limits, if it is lost or cannot be read."""
        try:
            return self.seen()
        except UnreadableRow:
            return OPEN

    def floor_of(self, image: ImageName) -> ComplianceFloor:
        """The compliance floor in force for a registered image, by the root of its lineage.

        It costs one point read. If the policy has floors for bases, it also costs one read per level above the
        image.
        """
        policy = self.current()
        return policy.floor(self.root_of(image, {}) if policy.bases else image)

    def find_floor(self, root: ImageName) -> ComplianceFloor | None:
        """The floor in force for all descendants of `root`. None if the policy is lost or cannot be read.

        This is for a caller that judges nothing.
        """
        try:
            return self.current().floor(root)
        except (PolicyLost, UnreadableRow):
            return None

    def root_of(self, image: ImageName, known: Mapping[ImageName, ImageHead]) -> ImageName:
        """The last ancestor that is registered. Heads in `known` are not read again."""

        def parent_of(here: ImageName) -> ImageName | None:
            head = known.get(here)
            if head is None:
                stored = self.records.images.find_head(here)
                head = None if stored is None else stored.value
            return None if head is None else head.registration.parent

        *_, root = upwards(image, parent_of)
        return root

    def put(
        self,
        document: Mapping[str, object],
        principal: Principal,
        *,
        expected: str | None,
        create_only: bool,
    ) -> PolicyShown:
        """Put a document in force over the version that the caller has seen. The same document again changes nothing.

        `expected` is the ETag of that version. `create_only` demands that there is none. Raises InvalidDocument
        with every problem, PermanentError (PERMISSION; POLICY where the blob of this document was changed), NotFound,
        StaleWrite, AlreadyExists. A document that was lost from storage is written again.
        """
        access.demand(ApiOperation.PUT_POLICY, principal)
        with contextlib.suppress(PolicyDocumentLost):  # this is how it comes back
            self.demand()
        row = self._row()
        stored = None if row.value.revision == OPEN.revision else row
        _demand_version(stored, expected=expected, create_only=create_only)
        revision = row.value.revision + 1
        policy = wire.parse_policy(document, revision=revision)
        problems, unregistered = self._look_at_bases(policy)
        if problems:
            raise InvalidDocument(problems)
        content = wire.policy_blob(document)
        digest = image_yaml.digest_of(content)
        with contextlib.suppress(AlreadyExists):
            self.blobs.create(_CONTAINER, _name(digest), content, media_type="application/json")
        self._document(digest)  # a blob of this name may hold something else
        if stored is not None and stored.value.digest == digest:
            self._copy_team_slots(replace(policy, revision=stored.value.revision))
            return PolicyShown(version=stored.value, document=document, unregistered=unregistered)
        version = PolicyVersion(
            revision=revision,
            digest=digest,
            actor=principal.actor.name,
            identity=principal.actor.identity,
            at=self.effects.clock.now(),
        )
        self.effects.recovery_log.announce_policy()
        self.records.policies.put(version, etag=row.etag)
        self._copy_team_slots(policy)
        self.effects.recovery_log.settle_policy()
        self.effects.logs.note(
            "policy-changed", revision=revision, digest=str(digest), actor=principal.actor.identity
        )
        return PolicyShown(version=version, document=document, unregistered=unregistered)

    def shown(self, revision: int | None = None) -> PolicyShown:
        """A version with its document. Without a revision it is the version in force. Raises NotFound.

        A lost policy is not reported as "no policy": it raises PermanentError (CONFLICT).
        """
        if revision is None:
            self.demand()
            stored = self.records.policies.find_current()
            version = None if stored is None else stored.value
        else:
            version = self.records.policies.find(revision)
        if version is None:
            which = (
                "no policy is in force"
                if revision is None
                else f"there is no version {revision} of the policy"
            )
            raise NotFound(f"{which}; GET /api/policy/versions lists what was put in force")
        document = self._document(version.digest)
        return PolicyShown(version=version, document=document, notes=tuple(_notes(document)))

    def versions(self, *, before: int | None = None, limit: int) -> tuple[PolicyVersion, ...]:
        """The versions that were in force, with person and time, the newest first, below the revision `before`."""
        return tuple(self.records.policies.list(before=before, limit=min(limit, HISTORY_LIMIT)))

    def recover(self) -> bool:
        """Put a lost policy back from the recovery log. False if there is a policy, or there never was one.

        The dispatchers' part of it is written in any case: it is in another table, which may be lost alone. Raises
        PermanentError if the recovery log cannot be read: an older policy must not take its place.
        """
        is_back = self.records.policies.find_current() is None and self._put_back()
        with contextlib.suppress(UnreadableRow):  # a later `policy set` does it
            self.follow()
        return is_back

    def follow(self) -> None:
        """Write what the dispatchers keep of the policy in force, where it differs. Safe to repeat.

        Raises UnreadableRow where the policy cannot be read: what they have stays.
        """
        self._copy_team_slots(self.seen())

    def _put_back(self) -> bool:
        try:
            logged = [entry.to_domain() for entry in self.effects.recovery_log.policies()]
        except MalformedMessage as error:
            raise PermanentError(ErrorClass.CONFLICT, f"the policy cannot be recovered: {error}") from error
        if not logged:
            self.records.policies.note_none(self.effects.clock.now())
        return self.records.policies.recover(logged)

    def _copy_team_slots(self, policy: Policy) -> None:
        """Give the dispatchers their part of the policy. If this process ends before, the next sweep does.

        It finds the note that the recovery log keeps of a change until the change is complete.
        """
        limits = policy.limits
        own = {team: each.of_runs for team, each in limits.teams.items()}
        slots = TeamSlots(revision=policy.revision, general=limits.general.of_runs, teams=own)
        self.records.capacity.save_team_slots(slots, is_current=lambda: self._is_in_force(policy.revision))

    def _is_in_force(self, revision: int) -> bool:
        stored = self.records.policies.find_current()
        return stored is not None and stored.value.revision == revision

    def _row(self) -> Stored[PolicyVersion]:
        """The row in force.

        Without a row, it asks the recovery log, once in a factory's life, and notes the answer.
        """

        def demand(row: Stored[PolicyVersion] | None) -> Stored[PolicyVersion]:
            if row is not None:
                return row
            if self.effects.recovery_log.has_policy():
                raise PolicyLost
            self.records.policies.note_none(self.effects.clock.now())
            raise StaleWrite("the record of the policy was noted: read it again")

        return changing(
            self.records.policies.find_row, demand, subject="the record of the policy", remedy="look again"
        )

    def _policy(self, version: PolicyVersion) -> Policy:
        parsed = self._parsed.get(version.digest)
        if parsed is None:
            try:
                parsed = wire.parse_stored_policy(self._document(version.digest), revision=version.revision)
            except NotFound as error:
                raise PolicyDocumentLost(version, "is gone from storage") from error
            except PermanentError as error:
                raise PolicyDocumentLost(version, "was changed in storage") from error
            except (InvalidDocument, MalformedMessage) as error:
                # A key that this release does not know may be a floor, so nothing is judged without it.
                text = (
                    f"this release cannot read policy {version.revision}, and waits: {_causes(error)[:_TEXT]}"
                )
                raise UnreadableRow(text, partition="policy", key=str(version.revision)) from error
            if len(self._parsed) >= _KEPT:
                self._parsed.clear()
            self._parsed[version.digest] = parsed
        return replace(parsed, revision=version.revision)

    def _document(self, digest: Digest) -> Mapping[str, object]:
        content = self.blobs.read(_CONTAINER, _name(digest), limit=_BLOB_LIMIT)
        if image_yaml.digest_of(content) != digest:
            raise PermanentError(
                ErrorClass.POLICY,
                f"the blob {_CONTAINER}/{_name(digest)} has content that does not match its name: SecOps delete it",
            )
        return wire.read_policy_blob(content)

    def _look_at_bases(self, policy: Policy) -> tuple[list[Problem], tuple[ImageName, ...]]:
        """A floor for an image that has a parent would never be used, so it is a problem."""
        problems: list[Problem] = []
        unregistered: list[ImageName] = []
        for base in sorted(policy.bases):
            stored = self.records.images.find_head(base)
            if stored is None:
                unregistered.append(base)
            elif stored.value.registration.parent is not None:
                problems.append(
                    Problem(
                        path=path_of(("spec", "bases", str(base))),
                        message=f"is not a base: it is built from {stored.value.registration.parent}",
                        remedy="name the root of its lineage; the floor holds for all its descendants",
                    )
                )
        return problems, tuple(unregistered)


def _notes(document: Mapping[str, object]) -> Iterator[str]:
    former = wire.former_grantors(document)
    if former:
        yield (
            f"spec.waivers.grantors names e-mail addresses, which no token proves, so they grant nothing:"
            f" {', '.join(former)}. Name object ids or role:NAME instead; while no other grantor is named, SecOps"
            " grants waivers"
        )


def etag_of(version: PolicyVersion) -> str:
    """The ETag that `If-Match` must name."""
    return str(version.revision)


def _demand_version(stored: Stored[PolicyVersion] | None, *, expected: str | None, create_only: bool) -> None:
    if create_only:
        if stored is not None:
            raise AlreadyExists("a policy is in force already: read it, then update it with If-Match")
        return
    if stored is None:
        raise NotFound("no policy is in force: create it with If-None-Match: *")
    if etag_of(stored.value) != expected:
        raise StaleWrite("the policy has changed since it was read: read it again, then repeat the change")


def _causes(error: InvalidDocument | MalformedMessage) -> str:
    """What this release does not know, in one line. What to do is not what the document's author would do."""
    if isinstance(error, MalformedMessage):
        return str(error)
    return "; ".join(f"{problem.path} {problem.message}" for problem in error.problems)


def _name(digest: Digest) -> str:
    return f"policies/{digest}.json"
