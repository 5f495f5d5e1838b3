"""Make journal entries, each with the time, its own key and the texts of the reasons."""

from pipeline_core.domain.actors import ActorOrPart, actor_of
from pipeline_core.domain.builds import Build
from pipeline_core.domain.journal import Entry, Event, entry_key
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Chance, Clock

FACTORY = "factory"  # the actor where no person asked


class Journal:
    """Makes entries and writes none. The service that commits a change writes its entry in the same transaction."""

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self._clock = clock
        self._chance = chance

    def of_image(
        self, image: ImageName, event: Event, *, actor: ActorOrPart = FACTORY, detail: str = ""
    ) -> Entry:
        """An entry about an image."""
        now = self._clock.now()
        key = entry_key(now, self._chance.nonce())
        by = actor_of(actor)
        return Entry(
            key=key,
            image=image,
            at=now,
            event=event,
            actor=by.name,
            identity=by.identity,
            detail=detail,
        )

    def of_build(
        self, build: Build, event: Event, *, actor: ActorOrPart = FACTORY, detail: str = ""
    ) -> Entry:
        """An entry about a build, with its reasons, version and campaign."""
        now, by = self._clock.now(), actor_of(actor)
        return Entry(
            key=entry_key(now, self._chance.nonce()),
            image=build.image,
            at=now,
            event=event,
            actor=by.name,
            identity=by.identity,
            build=build.id,
            version=None if build.version is None else str(build.version),
            reasons=tuple(str(reason) for reason in build.reasons),
            detail=detail[:2000],
            campaign=str(build.campaign),
        )
