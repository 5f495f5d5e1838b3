"""The names of deleted images: which are reserved for whom, hand one over, and see that no live version is left.

`domain.reservations` decides. A registration asks the same rules.
"""

from dataclasses import dataclass

from pipeline_core.domain import access, reservations
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, NotFound, PermanentError, StaleWrite
from pipeline_core.domain.images import FormerImage
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.ports import Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.provenance.alarm import Unproven
from pipeline_core.services.provenance.places import VersionPlaces
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePage:
    """Reserved names, in order. `next` is the cursor of the following page, None at the end."""

    names: tuple[FormerImage, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedNames:
    """A page costs one read for each name. A look costs one read and one list call of Azure."""

    records: Records
    places: VersionPlaces
    unproven: Unproven
    effects: Effects

    def page(self, after: str, limit: int) -> NamePage:
        """The names that are reserved, behind a name, at most `limit`."""
        names = self.records.reserved.names(after=after, limit=limit)
        found = [self.records.images.find_former(ImageName(name)) for name in names]
        return NamePage(
            names=tuple(each.value for each in found if each is not None and not each.value.is_free),
            next=names[-1] if len(names) == limit else None,
        )

    def hand_over(self, name: ImageName, to: TeamName, principal: Principal, reason: str) -> FormerImage:
        """Reserve the name for another team. Safe to repeat: the second call changes nothing.

        Raises PermanentError (PERMISSION, POLICY without a reason), AlreadyExists for a registered image, NotFound.
        """
        access.demand(ApiOperation.HAND_OVER_NAME, principal)
        why = access.demand_reason(reason, "the journal of the image")
        return changing(
            lambda: self.records.images.find_former(name),
            lambda stored: self._hand_over(name, stored, to, principal, why),
            subject=str(name),
            remedy="send it again",
        )

    def look(self, name: ImageName) -> bool:
        """Look at the gallery of a deleted image, as the timer does. True where its name has become free."""
        stored = self.records.images.find_former(name)
        if stored is None:
            self._forget_registered(name)
            return False
        listed = self.places.list_versions(stored.value)
        self.unproven.look(listed, None)
        now = self.effects.clock.now()
        seen = reservations.observe(stored.value, has_versions=bool(listed), now=now)
        if seen == stored.value:
            if seen.is_free:  # the process that freed it ended before it removed the row
                self.records.reserved.remove(name)
            return False
        writes = [records.put_former(seen, etag=stored.etag)]
        if seen.is_free:
            detail = f"{name} has no live version left: any team may register it"
            writes.append(
                records.add_entry(self.effects.journal.of_image(name, Event.NAME_FREED, detail=detail))
            )
        try:
            self.records.images.commit(writes)
        except StaleWrite:
            return False  # it is registered again, or was handed over: the next look sees it
        if seen.is_free:
            self.records.reserved.remove(name)
            self.effects.logs.note("name-freed", image=str(name))
        return seen.is_free

    def _hand_over(
        self,
        name: ImageName,
        stored: Stored[FormerImage] | None,
        to: TeamName,
        principal: Principal,
        reason: str,
    ) -> FormerImage:
        if stored is None:
            if self.records.images.find_head(name) is not None:
                raise AlreadyExists(
                    f"{name} is registered: its team changes with its definition, by a member of both teams or SecOps"
                )
            raise NotFound(f"no image {name} was deleted: `imagefactory names list` lists the reserved names")
        old = stored.value
        if old.is_free:
            raise PermanentError(
                ErrorClass.CONFLICT, f"the name {name} is free, since no live version is left: register it"
            )
        if old.team == to and not old.is_base:
            return old
        new = reservations.hand_over(old, to)
        before = "a team that no record shows" if old.team is None else f"team {old.team}"
        detail = f"from {before} to team {to}: {reason}"
        by = principal.actor
        entry = self.effects.journal.of_image(name, Event.NAME_HANDED_OVER, actor=by, detail=detail)
        self.records.reserved.add(name)
        self.effects.recovery_log.announce(name)
        self.records.images.commit([records.put_former(new, etag=stored.etag), records.add_entry(entry)])
        self.effects.recovery_log.settle(name)
        self.effects.logs.note("name-handed-over", image=str(name), team=str(to), actor=by.identity)
        return new

    def _forget_registered(self, name: ImageName) -> None:
        """Remove the row of an image that is registered again, where the registration did not.

        An image that is about to be deleted has its row a moment before it is.
        """
        head = self.records.images.find_head(name)
        if head is not None and head.value.active is not None:
            self.records.reserved.remove(name)
