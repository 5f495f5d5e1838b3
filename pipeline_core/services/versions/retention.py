"""What retention would do about the versions of one image, and why each of them stays. Changes nothing.

It reads the image's head, its records of versions, its children and the gallery itself, and no copy of them.

A deleted image keeps the rule of its last definition. What `latest` means in its gallery takes the place of the
current version, because consumers still deploy it: it stays, and so do the last good one beside it and the newest
`keep`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline_core.domain import attempts
from pipeline_core.domain.definitions import Retention
from pipeline_core.domain.errors import FactoryError, NotFound
from pipeline_core.domain.images import FormerImage, ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.retention import (
    ListedVersion,
    Removal,
    RetentionStep,
    VersionUses,
    keep_all,
    plan_removals,
)
from pipeline_core.domain.rounds import Round
from pipeline_core.domain.sources import OriginVersion, ParentVersion
from pipeline_core.domain.version_records import Standing, VersionRecord, standing_of
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Galleries, GalleryImageVersion, TableWrite, VersionState
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.provenance.places import VersionPlaces
from pipeline_core.state import images
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

ROUND = "retention"  # the kind of the rounds in which retention is carried out

# A list shows FAILED for a copy that failed, and for a change that failed: neither is decided on.
_SETTLED = frozenset({VersionState.READY, VersionState.UPDATE_FAILED})
_REMOVES = frozenset({Removal.EXCLUDE, Removal.DELETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlan:
    """One step for each version of an image, oldest first, with what it was decided on.

    `owner` is the image's head, or the record of a deleted image. A version that is excluded now may be deleted at
    `due`.
    """

    owner: Stored[ImageHead] | Stored[FormerImage]
    current: GalleryVersion | None
    rule: Retention
    steps: tuple[RetentionStep, ...]
    due: datetime
    listed: Mapping[GalleryVersion, GalleryImageVersion]
    records: Mapping[GalleryVersion, Stored[VersionRecord]]

    @property
    def waiting_for_use(self) -> int:
        """How many versions would go, were it known that no machine uses them."""
        return sum(step.waits_for_use for step in self.steps)

    @property
    def image(self) -> ImageName:
        """The image's name."""
        return self.owner.value.name

    @property
    def head(self) -> ImageHead | None:
        """The head, None for a deleted image."""
        return self.owner.value if isinstance(self.owner.value, ImageHead) else None

    def same_owner(self) -> TableWrite:
        """Write the owner as it is: the commit fails where it has changed since the plan was made."""
        if isinstance(self.owner.value, ImageHead):
            return images.put_head(self.owner.value, etag=self.owner.etag)
        return images.put_former(self.owner.value, etag=self.owner.etag)

    def after_write(self, etag: str) -> "RetentionPlan":
        """The plan on the owner's new ETag."""
        if isinstance(self.owner.value, ImageHead):
            return replace(self, owner=Stored(value=self.owner.value, etag=etag))
        return replace(self, owner=Stored(value=self.owner.value, etag=etag))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnplannedImage:
    """An image whose plan could not be made, and why."""

    image: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPage:
    """Plans by name of image. `next` is the cursor of the following page, None at the end.

    `round` is how far the timer has come, None before its first slice.
    """

    plans: tuple[RetentionPlan, ...]
    failed: tuple[UnplannedImage, ...]
    next: str | None
    round: Round | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlans:
    """Costs one list call, and one read for each child where something may go."""

    records: Records
    galleries: Galleries
    places: VersionPlaces
    effects: Effects
    grace: timedelta

    def of_image(self, name: ImageName) -> RetentionPlan:
        """The plan of an image as of now, also of a deleted one. Raises NotFound where there is neither."""
        head = self.records.images.find_head(name)
        if head is not None:
            return self.over(head, self.galleries.list_versions(head.value.registration.gallery, name))
        former = self.records.images.find_former(name)
        if former is None:
            raise NotFound(f"image {name} is not registered: register it first")
        return self.over_former(former, self.places.list_versions(former.value))

    def names(self, *, after: str = "", limit: int) -> Sequence[str]:
        """The names of registered images and of deleted ones behind the name `after`, at most `limit`. Two reads."""
        found = {
            *self.records.fleet.names(after=after, limit=limit),
            *self.records.reserved.names(after=after, limit=limit),
        }
        return sorted(found)[:limit]

    def page(self, after: str, limit: int) -> RetentionPage:
        """The plans of the images behind a name, at most `limit`. An image that fails is named, and ends nothing."""
        plans: list[RetentionPlan] = []
        failed: list[UnplannedImage] = []
        names = self.names(after=after, limit=limit)
        for name in names:
            try:
                plans.append(self.of_image(ImageName(name)))
            except NotFound:  # the row of a name says nothing where the image was never deleted
                continue
            except FactoryError as error:
                failed.append(UnplannedImage(image=name, message=str(error)))
        following = names[-1] if len(names) == limit else None
        last = self.records.rounds.find(ROUND)
        return RetentionPage(
            plans=tuple(plans),
            failed=tuple(failed),
            next=following,
            round=None if last is None else last.value,
        )

    def again(self, plan: RetentionPlan) -> RetentionPlan:
        """The plan over the same list, on the owner as it is now.

        Raises NotFound where a registered image was deleted meanwhile, or a deleted one registered.
        """
        shown = [*plan.listed.values()]
        if plan.head is not None:
            return self.over(self.records.images.get_head(plan.image), shown)
        former = self.records.images.find_former(plan.image)
        if former is None:
            raise NotFound(f"{plan.image} is registered again: its head decides")
        return self.over_former(former, shown)

    def over(self, head: Stored[ImageHead], shown: Sequence[GalleryImageVersion]) -> RetentionPlan:
        """The plan of an image whose head and versions the caller has just read, the head first."""
        name, now = head.value.name, self.effects.clock.now()
        rule = self.effects.documents.definition(head.value.registration.definition).retention
        known = self.records.versions.of_image(name)
        current = None if head.value.current is None else head.value.current.version
        listed = [listed_version(each, known.get(each.version), current) for each in shown]
        return RetentionPlan(
            owner=head,
            current=current,
            rule=rule,
            steps=self._steps(name, listed, self._uses_by_itself(head.value), rule),
            due=now + self.grace,
            listed={each.version: each for each in shown},
            records=known,
        )

    def over_former(self, former: Stored[FormerImage], shown: Sequence[GalleryImageVersion]) -> RetentionPlan:
        """The plan of a deleted image whose record and versions the caller has just read, the record first."""
        name, digest = former.value.name, former.value.definition
        known = self.records.versions.of_image(name)
        offered = [each.version for each in shown if latest.may_be_in(each)]
        current = max(offered, default=None)
        listed = [listed_version(each, known.get(each.version), current) for each in shown]
        rule = Retention() if digest is None else self.effects.documents.definition(digest).retention
        uses = VersionUses(current=current, builds={}, children={})
        return RetentionPlan(
            owner=former,
            current=current,
            rule=rule,
            steps=keep_all(listed) if digest is None else self._steps(name, listed, uses, rule),
            due=self.effects.clock.now() + self.grace,
            listed={each.version: each for each in shown},
            records=known,
        )

    def _steps(
        self, name: ImageName, listed: Sequence[ListedVersion], uses: VersionUses, rule: Retention
    ) -> tuple[RetentionStep, ...]:
        now = self.effects.clock.now()
        steps = plan_removals(listed, uses, rule, now, grace=self.grace)
        if any(step.removal in _REMOVES for step in steps):
            uses = self._with_uses_by_children(name, uses)
            steps = plan_removals(listed, uses, rule, now, grace=self.grace)
        return steps

    def _uses_by_itself(self, head: ImageHead) -> VersionUses:
        build = None if head.active is None else self.records.images.find_build(head.active.build)
        found = _Uses()
        if build is not None and build.value.version is not None:
            found.add(build.value.version, str(build.value.id))
        current = None if head.current is None else head.current.version
        return VersionUses(current=current, builds=found.users, children={})

    def _with_uses_by_children(self, image: ImageName, uses: VersionUses) -> VersionUses:
        """Add what children are built from, and what their builds use. Their heads are read now."""
        current, builds = _Uses(), _Uses(users=dict(uses.builds))
        for child in self._children(image):
            head = self.records.images.find_head(child)
            if head is None:
                continue
            if head.value.current is not None:
                current.add_origin(head.value.current.inputs.origin, image, str(child))
            active = head.value.active
            build = None if active is None else self.records.images.find_build(active.build)
            if build is not None:
                builds.add_origin(build.value.inputs.origin, image, str(build.value.id))
        return replace(uses, builds=builds.users, children=current.users)

    def _children(self, image: ImageName) -> Iterator[ImageName]:
        """Also those that were moved to another parent: their current versions are still built from this one."""
        yield from self.records.index.children(image)
        yield from self.records.index.moved_children(image)


@dataclass(slots=True)
class _Uses:
    users: dict[GalleryVersion, tuple[str, ...]] = field(default_factory=dict)

    def add(self, version: GalleryVersion, user: str) -> None:
        self.users[version] = (*self.users.get(version, ()), user)

    def add_origin(self, origin: OriginVersion, image: ImageName, user: str) -> None:
        if isinstance(origin, ParentVersion) and origin.image == image:
            self.add(origin.version, user)


def listed_version(
    shown: GalleryImageVersion, stored: Stored[VersionRecord] | None, current: GalleryVersion | None
) -> ListedVersion:
    """A version as the gallery shows it, with its record. `current` is the image's current version.

    A version that somebody took out of `latest` a moment ago has no record of that yet.
    """
    record = None if stored is None else stored.value
    standing = standing_of(
        record,
        is_offered=latest.may_be_in(shown),
        is_above=current is None or shown.version > current,
    )
    if standing is Standing.EXCLUDED and (record is None or record.standing is not standing):
        record = VersionRecord(image=shown.image, version=shown.version, standing=standing)
    return ListedVersion(
        version=shown.version,
        is_ours=bool(shown.tags.get(attempts.PROVENANCE_TAG)),
        is_settled=shown.state in _SETTLED,
        is_offered=latest.may_be_in(shown),
        record=record,
    )
