"""Ask the Marketplace for releases: one list call per distinct source, however many images use it.

A GET of one release comes only where something suggests it: the newest is new or was missed, a day is over, a
withdrawn release is listed again, or a build says that its release does not exist. `domain.releases` decides.
"""

import hashlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from pipeline_core.domain import releases
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)
from pipeline_core.domain.journal import Entry, standing_key
from pipeline_core.domain.names import CampaignId, ImageName
from pipeline_core.domain.releases import FollowedSource, SourceChange
from pipeline_core.domain.source_images import SourceImage
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import MarketplaceOffers
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_EXAMINED = 5  # releases that one look asks for: a publisher may take back several at once
_TEXT = 300  # characters of a refusal that are kept
_NAMED = 120  # characters of a campaign's name beside its first word; it has 128 in all
_START = 40  # characters of a longer SKU that the name begins with


class _ReleaseGone(Exception):
    """A GET of a release was answered: it is not offered."""

    def __init__(self, by: releases.WithdrawalReason) -> None:
        super().__init__(by.value)
        self.by = by


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    """Records what it saw before any message, and marks a change as not announced yet (rule 4)."""

    marketplace: MarketplaceOffers
    records: Records
    effects: Effects

    def poll(self) -> int:
        """Look at every source that an image follows; the number of sources that changed.

        A source that fails does not stop the look at the others. Every error is raised at the end, so that the
        failure is visible, except that of a source which is shown as silent: its images say so, and a poll that
        failed for ever would hide other failures.
        """
        changed = 0
        failed: list[FactoryError] = []
        for followed in self.records.sources.list():
            if not self._has_roots(followed.value.source):
                continue
            try:
                changed += self._look(followed)
            except FactoryError as error:
                self.effects.logs.note("poll-failed", source=followed.value.source.key, error=str(error))
                if not self._is_shown(followed.value.source, error):
                    failed.append(error)
        if failed:
            raise _one_of(failed)
        return changed

    def poll_one(self, source: MarketplaceSource) -> bool:
        """Look at one source; True where it changed. Raises NotFound where no image follows it."""
        return self._look(self._get(source))

    def doubt(self, source: MarketplaceSource, release: MarketplaceVersion) -> None:
        """A build says that its release is not offered: ask for it at once. An error is only noted: polls go on."""
        followed = self.records.sources.find(source)
        if followed is None or followed.value.newest != release:
            return  # images are built from another release already
        try:
            self._look(Stored(value=replace(followed.value, examined_at=None), etag=followed.etag))
        except FactoryError as error:
            self.effects.logs.note("poll-failed", source=source.key, error=str(error))

    def announce(self, followed: Stored[FollowedSource]) -> None:
        """Tell every root of the source about its last change, in its journal and by a message. Safe to repeat."""
        source, news = followed.value.source, followed.value.news
        for image in self.records.index.roots(source):
            if news is not None:
                self._tell(image, followed.value, news)
            self.effects.outbox.rebuild(image, "source-changed", _campaign(followed.value))
        try:
            self.records.sources.save(replace(followed.value, announce=False), etag=followed.etag)
        except StaleWrite:
            self.effects.logs.note("announced-twice", source=source.key)

    def _get(self, source: MarketplaceSource) -> Stored[FollowedSource]:
        followed = self.records.sources.find(source)
        if followed is None:
            raise NotFound(f"no image follows {source.key}; register an image that is built from it")
        return followed

    def _has_roots(self, source: MarketplaceSource) -> bool:
        return next(self.records.index.roots(source), None) is not None

    def _is_shown(self, source: MarketplaceSource, error: FactoryError) -> bool:
        """True where the images of the source have a condition for this error."""
        followed = self.records.sources.find(source)
        return isinstance(error, PermanentError) and followed is not None and followed.value.is_silent

    def _look(self, followed: Stored[FollowedSource]) -> bool:
        known, now = followed.value, self.effects.clock.now()
        try:
            listed = frozenset(self.marketplace.list_versions(known.source))
        except FactoryError as error:
            unheard = releases.after_silence(known, str(error)[:_TEXT], now)
            saved = self._save(followed, unheard)
            if saved is not None and unheard.announce:
                self.announce(Stored(value=unheard, etag=saved))
            raise
        seen = releases.after_list(known, listed, now)
        if listed:
            seen = self._examine(seen, listed)
        etag = self._save(followed, seen)
        if etag is None:
            return False  # another poll has just looked, and announces what it saw
        has_changed = seen.revision != known.revision
        if has_changed:
            self.effects.logs.note(
                "source-changed", source=known.source.key, old=str(known.newest), new=str(seen.newest)
            )
        if seen.announce:
            self.announce(Stored(value=seen, etag=etag))
        return has_changed

    def _save(self, followed: Stored[FollowedSource], seen: FollowedSource) -> str | None:
        try:
            return self.records.sources.save(seen, etag=followed.etag)
        except StaleWrite:
            return None

    def _examine(self, seen: FollowedSource, listed: AbstractSet[MarketplaceVersion]) -> FollowedSource:
        """The source after the GETs that something suggests. A GET without an answer is made again by the next poll.

        A returning release without an answer keeps neither the newest nor another one from its look.
        """
        now = self.effects.clock.now()
        seen = self._look_at_returning(seen)
        try:
            for _ in range(_EXAMINED):
                if seen.newest is None or not releases.needs_examination(seen, now):
                    break
                try:
                    image = self._ask(seen.source, seen.newest)
                except _ReleaseGone as gone:
                    seen = releases.withdraw(seen, seen.newest, gone.by, listed, now)
                else:
                    seen = releases.after_examination(seen, image.deprecation, listed, now)
        except FactoryError as error:
            self.effects.logs.note("poll-failed", source=seen.source.key, error=str(error))
        return seen

    def _look_at_returning(self, seen: FollowedSource) -> FollowedSource:
        now = self.effects.clock.now()
        back = releases.find_returning(seen, now)
        if back is None:
            return seen
        try:
            image = self._ask(seen.source, back.version)
        except _ReleaseGone:
            return releases.stay_withdrawn(seen, back.version)
        except FactoryError as error:
            self.effects.logs.note("poll-failed", source=seen.source.key, error=str(error))
            return releases.come_last(seen, back.version, now)
        return releases.give_back(seen, back.version, image.deprecation, now)

    def _ask(self, source: MarketplaceSource, release: MarketplaceVersion) -> SourceImage:
        try:
            return self.marketplace.get_image(source, release)
        except PermanentError as error:
            by = releases.refusal_of(str(error))
            if error.error_class is ErrorClass.NOT_FOUND or by is releases.WithdrawalReason.DEPRECATED:
                raise _ReleaseGone(by) from error
            raise

    def _tell(self, image: ImageName, followed: FollowedSource, news: SourceChange) -> None:
        """One journal line for one change, however often it is announced."""
        key = standing_key(news.at, f"{followed.source.key}/{news.event.value}/{followed.revision}")
        entry = Entry(
            key=key,
            image=image,
            at=news.at,
            event=news.event,
            actor=news.actor,
            identity=news.identity,
            detail=news.detail,
            campaign=str(_campaign(followed)),
        )
        try:
            self.records.images.commit([records.add_entry(entry)])
        except AlreadyExists:
            return


def _campaign(followed: FollowedSource) -> CampaignId:
    """One for each change. Its name has the revision where the same release may have had one before."""
    sku = followed.source.sku.lower().replace("_", "-")
    again = "" if followed.news is None else f"-{followed.revision}"
    which = f"-{followed.newest or 'none'}{again}"
    if len(sku) + len(which) > _NAMED:  # the shortened name stays that of one SKU
        sku = f"{sku[:_START]}-{hashlib.sha256(sku.encode()).hexdigest()[:16]}"
    return CampaignId(f"source-{sku}{which}")


def _one_of(errors: Sequence[FactoryError]) -> FactoryError:
    """One error that names all. It is transient where one of them is: the next poll may see that source."""
    if len(errors) == 1:
        return errors[0]
    text = f"{len(errors)} sources could not be looked at: {'; '.join(map(str, errors))}"
    passing = next((each for each in errors if isinstance(each, TransientError)), None)
    if passing is not None:
        return TransientError(passing.error_class, text)
    lasting = next((each for each in errors if isinstance(each, PermanentError)), None)
    return PermanentError(ErrorClass.NOT_FOUND if lasting is None else lasting.error_class, text)
