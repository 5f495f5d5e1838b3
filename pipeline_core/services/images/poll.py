"""Ask the Marketplace for new versions: one list call per distinct source, however many images use it."""

from dataclasses import dataclass, replace

from pipeline_core.domain.errors import FactoryError, NotFound, StaleWrite
from pipeline_core.domain.names import CampaignId
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import newest
from pipeline_core.ports import MarketplaceOffers
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state.records import Stored
from pipeline_core.state.sources import FollowedSource
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """Records the newest version before any message, and marks it as not announced yet (rule 4)."""

    marketplace: MarketplaceOffers
    records: Records
    effects: Effects

    def poll(self) -> int:
        """Look at every followed source; the number of sources that changed.

        A source that fails does not stop the look at the others. Its error is raised at the end, so that the
        failure is visible.
        """
        changed = 0
        failed: FactoryError | None = None
        for followed in self.records.sources.list():
            try:
                changed += self._look(followed)
            except FactoryError as error:
                self.effects.logs.note("poll-failed", source=followed.value.source.key, error=str(error))
                failed = error
        if failed is not None:
            raise failed
        return changed

    def poll_one(self, source: MarketplaceSource) -> bool:
        """Look at one source; True where it changed. Raises NotFound where no image follows it."""
        followed = self.records.sources.find(source)
        if followed is None:
            raise NotFound(f"no image follows {source.key}; register an image that is built from it")
        return self._look(followed)

    def _look(self, followed: Stored[FollowedSource]) -> bool:
        known = followed.value
        latest = newest(self.marketplace.list_versions(known.source))
        if latest is None or (known.newest is not None and latest <= known.newest):
            if known.announce:
                self._announce(followed)
            return False
        updated = replace(known, newest=latest, announce=True)
        try:
            etag = self.records.sources.save(updated, etag=followed.etag)
        except StaleWrite:
            return False  # another poll has just recorded this version, and announces it
        self.effects.logs.note(
            "source-changed", source=known.source.key, old=str(known.newest), new=str(latest)
        )
        self._announce(Stored(value=updated, etag=etag))
        return True

    def _announce(self, followed: Stored[FollowedSource]) -> None:
        source = followed.value.source
        campaign = CampaignId(f"source-{source.sku.lower().replace('_', '-')}-{followed.value.newest}")
        for image in self.records.index.roots(source):
            self.effects.outbox.rebuild(image, "source-changed", campaign)
        try:
            self.records.sources.save(replace(followed.value, announce=False), etag=followed.etag)
        except StaleWrite:
            self.effects.logs.note("announced-twice", source=source.key)
