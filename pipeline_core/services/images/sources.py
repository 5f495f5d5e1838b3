"""What is followed in the Marketplace, for people, and SecOps' decision about a withdrawn release."""

from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain import access, releases
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import AlreadyExists, InvalidValue, NotFound
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.releases import AcceptedRelease, FollowedSource, Silence, WithdrawnRelease
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.poll import Poller
from pipeline_core.state.concurrency import changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source as people see it: what is offered, what was withdrawn, and which images are built from it.

    A source without images is not polled. `silence` is None where the last look gave versions.
    """

    key: str
    urn: str
    location: str
    newest: MarketplaceVersion | None
    revision: int
    looked_at: datetime | None
    ends_at: datetime | None
    images: tuple[ImageName, ...]
    withdrawn: tuple[WithdrawnRelease, ...]
    accepted: AcceptedRelease | None
    silence: Silence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Readers see every source: a team must see what its base is built from. SecOps decides."""

    records: Records
    poller: Poller
    effects: Effects

    def list(self) -> tuple[SourceView, ...]:
        """Every source that was ever followed, by its key. Cost: one query, and one for each source."""
        return tuple(self._view(stored.value) for stored in self.records.sources.list())

    def accept(self, key: str, release: MarketplaceVersion, principal: Principal, reason: str) -> SourceView:
        """Let images that were built from a withdrawn release step down to `release`, the newest that is offered.

        An image steps down with its next build; what was built stays until then. Safe to repeat. Raises NotFound,
        PermanentError (PERMISSION; POLICY without a reason), and AlreadyExists where this release is not the one to
        decide about.
        """
        access.demand(ApiOperation.ACCEPT_RELEASE, principal)
        why = access.demand_reason(reason, "the journal of each image of the source")

        def decide(stored: Stored[FollowedSource]) -> FollowedSource:
            known, now = stored.value, self.effects.clock.now()
            if releases.is_accepted(known) and known.newest == release:
                return known
            try:
                accepted = releases.accept(known, release, principal.actor, why, now)
            except InvalidValue as error:
                raise AlreadyExists(
                    f"{known.source.key}: {error}; `imagefactory sources` shows it"
                ) from error
            etag = self.records.sources.save(accepted, etag=stored.etag)
            self.effects.logs.note(
                "release-accepted",
                source=known.source.key,
                release=str(release),
                actor=principal.actor.identity,
            )
            self.poller.announce(Stored(value=accepted, etag=etag))
            return accepted

        return self._view(changing(lambda: self._get(key), decide, subject=key, remedy="accept it again"))

    def _get(self, key: str) -> Stored[FollowedSource]:
        stored = self.records.sources.find_by_key(key.lower())
        if stored is None:
            raise NotFound(f"no image follows {key}; `imagefactory sources` lists what is followed")
        return stored

    def _view(self, known: FollowedSource) -> SourceView:
        source = known.source
        return SourceView(
            key=source.key,
            urn=f"{source.publisher}:{source.offer}:{source.sku}",
            location=str(source.location),
            newest=known.newest,
            revision=known.revision,
            looked_at=known.looked_at,
            ends_at=known.ends_at,
            images=tuple(self.records.index.roots(source)),
            withdrawn=known.withdrawn,
            accepted=known.accepted if releases.is_accepted(known) else None,
            silence=known.silence,
        )
