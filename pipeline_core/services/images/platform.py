"""Put new platform steps and a new catalog in force, or try them on named images first. SecOps adds them to builds."""

from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import takewhile

from pipeline_core.domain import access, platform_trials
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, FactoryError, NotFound, PermanentError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry, Event, standing_key
from pipeline_core.domain.names import CampaignId, Digest, ImageName
from pipeline_core.domain.platform_trials import CanaryState, PlatformTrial
from pipeline_core.domain.staleness import Platform
from pipeline_core.guard import bundles as bundle_guard
from pipeline_core.guard import catalog as guard
from pipeline_core.guard import in_force, placeholders, trials
from pipeline_core.ports import Blobs, Principal
from pipeline_core.services.effects.bundles import CONTAINER, Bundles, blob_of
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state import images as records
from pipeline_core.state.stores import Records
from pipeline_core.wire.bundle import COMPRESSED_LIMIT
from pipeline_core.wire.problems import InvalidDocument, Problem

_SLICE = 200  # images: each costs four storage operations, and the first slice is part of a request

RunsOne = Callable[[str, Callable[[], bool]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Platforms:
    """A change makes every image stale. The roots get a message, and the cascade reaches all other images.

    A trial makes the images stale that it names, the canaries, and no other. Their descendants are named too: so no
    image is built from a version that was made with steps on trial, unless it is in the trial itself.
    """

    records: Records
    effects: Effects
    blobs: Blobs
    policy: Policies
    bundles: Bundles

    def put(
        self,
        bundle: Digest,
        catalog: Mapping[str, object],
        principal: Principal,
        *,
        drop_used: bool = False,
        canaries: Collection[ImageName] = (),
    ) -> Platform:
        """Refuse a catalog without a tool that images name, unless `drop_used`: then they say so.

        With `canaries` the steps are tried on these images alone, in place of a trial that runs. Else they are in
        force for all images; a trial of other steps goes on.

        Raises InvalidDocument with every problem, PermanentError (PERMISSION), and StaleWrite where another request
        was faster. Cost: the fleet's copies once where a tool leaves the catalog or images are named, and one slice of
        the images that name a tool.
        """
        access.demand(ApiOperation.PUT_PLATFORM, principal)
        found = (*guard.check_catalog(catalog), *placeholders.in_catalog(catalog))
        problems = [finding.as_problem() for finding in found]
        problems += self._bundle_problems(bundle, catalog)
        problems += self._not_allowed(catalog)
        old = self.records.sources.find_platform()
        entries = () if problems else guard.entries_of(catalog)
        if canaries:
            named = tuple(sorted(set(canaries)))
            tools = None if problems else {entry.id for entry in entries}
            problems += trials.beginning(old, bundle, tools, named, self.records.index.heads())
            problems += self._not_admitted(catalog)
            if problems or old is None:
                raise InvalidDocument(problems)
            return self._begin_trial(old, bundle, entries, named, principal)
        used = {} if problems else self._used(old, {entry.id for entry in entries})
        if not drop_used and old is not None:
            problems += in_force.still_used({tool: used[tool] for tool in used if tool in old.catalog})
        problems += self._not_admitted(catalog)  # last: what is said above is said of a good form
        if problems:
            raise InvalidDocument(problems)
        platform = self._put_in_force(_of_entries(bundle, entries), old, used)
        self.effects.logs.note("platform-changed", digest=str(bundle), actor=principal.actor.identity)
        return platform

    def promote(
        self,
        bundle: Digest,
        principal: Principal,
        *,
        drop_used: bool = False,
        untried: bool = False,
        over_newer: bool = False,
    ) -> Platform:
        """Put the trial of this bundle in force: canaries that were built with it are current. Safe to repeat.

        Refused while a canary has no version with these steps, unless `untried`; and where other steps are in force
        than when the trial began, unless `over_newer`. Raises as `put`, and NotFound where no trial of this bundle
        runs. Cost: as `put`, and one read per canary.
        """
        access.demand(ApiOperation.PROMOTE_TRIAL, principal)
        old = self.records.sources.find_platform()
        if old is not None and old.digest == bundle and not _is_on_trial(old, bundle):
            return old
        old, trial = _demand_trial(old, bundle)
        tools = [{"id": tool, "sha256": sha256} for tool, _, sha256 in sorted(trial.catalog.values())]
        entries = {"entries": tools}
        problems = self._refused_entries(entries)
        if not over_newer:
            problems += trials.newer_in_force(old, trial)
        if not untried:
            problems += trials.not_tried({name: self._state_of(name, trial) for name in trial.images})
        used = self._used(old, trial.catalog.keys())
        problems += (
            ()
            if drop_used
            else in_force.still_used({tool: used[tool] for tool in used if tool in old.catalog})
        )
        if problems:
            raise InvalidDocument(problems)
        steps = Platform(digest=trial.digest, catalog=trial.catalog, urls=trial.urls)
        platform = self._put_in_force(steps, old, used)
        self.effects.logs.note("platform-trial-promoted", digest=str(bundle), actor=principal.actor.identity)
        return platform

    def end_trial(self, bundle: Digest, principal: Principal) -> Platform:
        """Give the trial of this bundle up: its canaries are stale, and go back. Safe to repeat.

        Raises PermanentError (PERMISSION), NotFound where no trial of this bundle runs or ran, InvalidDocument where a
        canary names a tool that only the trial has, and StaleWrite. Cost: the fleet's copies once.
        """
        access.demand(ApiOperation.END_TRIAL, principal)
        old = self.records.sources.find_platform()
        if old is not None and bundle in old.given_up and not _is_on_trial(old, bundle):
            return old
        old, trial = _demand_trial(old, bundle)
        problems = list(trials.without_tool(old, trial.images, self.records.index.heads()))
        if problems:
            raise InvalidDocument(problems)
        platform = replace(old, trial=None, ended=platform_trials.remember(old.ended, trial))
        self._save(platform, old)
        self._wake(trial.images, "platform-trial-ended", bundle)
        self.effects.logs.note("platform-trial-ended", digest=str(bundle), actor=principal.actor.identity)
        return platform

    def show(self) -> tuple[Platform, Mapping[ImageName, CanaryState]]:
        """What is in force and on trial, and how far each canary is. One read per canary. Raises NotFound."""
        platform = self.records.sources.find_platform()
        if platform is None:
            raise NotFound("no platform steps are registered yet: run `imagefactory platform register`")
        trial = platform.trial
        return platform, {} if trial is None else {name: self._state_of(name, trial) for name in trial.images}

    def _begin_trial(
        self,
        old: Platform,
        bundle: Digest,
        entries: Collection[guard.CatalogEntry],
        canaries: tuple[ImageName, ...],
        principal: Principal,
    ) -> Platform:
        """The trial takes the place of one that runs. Images that are not in it any more go back."""
        before, steps = old.trial, _of_entries(bundle, entries)
        trial = PlatformTrial(
            digest=bundle,
            catalog=steps.catalog,
            urls=steps.urls,
            images=canaries,
            since=self.effects.clock.now(),
            by=principal.actor.identity or principal.actor.name,
            # The same steps on other images were prepared from what was in force before.
            over=before.over if before is not None and before.digest == bundle else old.digest,
        )
        ended = old.ended if before is None else platform_trials.remember(old.ended, before)
        platform = replace(old, trial=trial, ended=ended)
        self._save(platform, old)
        left = () if before is None else before.images
        self._wake(sorted({*canaries, *left}), "platform-trial-began", bundle)
        self.effects.logs.note("platform-trial-began", digest=str(bundle), actor=principal.actor.identity)
        return platform

    def _put_in_force(
        self, steps: Platform, old: Platform | None, used: Mapping[str, list[ImageName]]
    ) -> Platform:
        """Write the steps with what the former ones knew of dropped tools and of other trials, and wake the roots.

        Gives what was written.
        """
        kept = {tool: at for tool, at in ({} if old is None else old.dropped).items() if tool in used}
        now, trial = self.effects.clock.now(), None if old is None else old.trial
        platform = replace(
            steps,
            dropped={tool: kept.get(tool, now) for tool in sorted(used)},
            announce=bool(used),
            trial=None if trial is None or trial.digest == steps.digest else trial,
            ended=() if old is None else platform_trials.forget(old.ended, steps.digest),
        )
        if (
            self.records.sources.platform_revision() == 0
            and self.effects.recovery_log.find_platform() is not None
        ):
            raise PermanentError(
                ErrorClass.CONFLICT,
                "the records of the platform steps were lost: run `imagefactory state recover` first",
            )
        self._save(platform, old)
        self._wake_roots(_campaign(platform.digest))
        try:
            self.announce(_at_once)
        except FactoryError as error:  # the sweep goes on with it; the platform steps are in force
            self.effects.logs.note("dropped-tools-left", error=str(error))
        return platform

    def _save(self, platform: Platform, old: Platform | None) -> None:
        self.effects.recovery_log.announce(None)
        self.records.sources.save_platform(platform, over=old)
        self.effects.recovery_log.settle(None)

    def _state_of(self, name: ImageName, trial: PlatformTrial) -> CanaryState:
        stored = self.records.images.find_head(name)
        if stored is None:
            return CanaryState.UNREGISTERED
        current = stored.value.current
        if current is not None and current.inputs.platform == trial.digest:
            return CanaryState.TRIED
        return CanaryState.WAITING if stored.value.active is None else CanaryState.BUILDING

    def announce(self, run: RunsOne) -> int:
        """Report a dropped tool to the next images that name it, in journals and by webhooks; how many.

        A slice of at most _SLICE images; the next one begins behind the last image, or at the first that failed. Safe
        to repeat, and done by the sweep until all have it. `run` does one image's work, as `Bulkhead.run` does. An
        image with a row that cannot be read is passed over: its condition says the same. Costs one read where nothing
        is to be reported, else the fleet's copies once.
        """
        platform = self.records.sources.find_platform()
        if platform is None or not platform.announce:
            return 0
        heads = [head for head in self.records.index.heads() if str(head.name) > platform.announced_to]
        due = [head for head in heads if not platform.dropped.keys().isdisjoint(head.registration.catalog)]
        ended: set[ImageName] = set()
        told = sum(
            run(str(head.name), partial(self._tell_all, head, platform, ended)) for head in due[:_SLICE]
        )
        done = [head.name for head in takewhile(lambda head: head.name in ended, due)]
        to = str(done[-1]) if done else platform.announced_to
        self.records.sources.note_announced(platform, to, is_over=len(done) == len(due))
        return told

    def _tell_all(self, head: ImageHead, platform: Platform, ended: set[ImageName]) -> bool:
        """Add the image to `ended` unless a later try may have another end."""
        tools = [tool for tool in head.registration.catalog if tool in platform.dropped]
        try:
            told = [self._tell(head.name, tool, platform.dropped[tool]) for tool in tools]
        except PermanentError:
            ended.add(head.name)
            raise
        ended.add(head.name)
        return any(told)

    def _used(self, old: Platform | None, tools: Set[str]) -> dict[str, list[ImageName]]:
        """The images that name a tool which was in the catalog, or dropped from it, and would not be there."""
        gone = set() if old is None else {*old.catalog, *old.dropped} - tools
        return self._named(gone) if gone else {}

    def _named(self, tools: Collection[str]) -> dict[str, list[ImageName]]:
        found: dict[str, list[ImageName]] = {}
        for head in self.records.index.heads():
            for tool in head.registration.catalog:
                if tool in tools:
                    found.setdefault(tool, []).append(head.name)
        return found

    def _tell(self, image: ImageName, tool: str, at: datetime) -> bool:
        key = standing_key(at, f"{image}/{tool}")
        detail = (
            f"{tool} left the catalog, and the image names it: no change reaches the image until its definition or the"
            " catalog changes"
        )
        entry = Entry(key=key, image=image, at=at, event=Event.TOOL_DROPPED, actor=FACTORY, detail=detail)
        try:
            self.records.images.commit([records.add_entry(entry)])
        except AlreadyExists:
            return False
        return True

    def _bundle_problems(self, bundle: Digest, catalog: Mapping[str, object]) -> Iterator[Problem]:
        try:
            if not self.bundles.hold(bundle):
                raise NotFound(f"the bundle {bundle} is being removed")
            content = self.blobs.read(CONTAINER, blob_of(bundle), limit=COMPRESSED_LIMIT)
        except NotFound:
            yield Problem(
                path="bundle",
                message=f"the bundle {bundle} was not uploaded",
                remedy="PUT it to /api/bundles/{sha256} first",
            )
            return
        for finding in bundle_guard.check_platform(content, catalog):
            yield finding.as_problem()

    def _wake(self, images: Collection[ImageName], reason: str, bundle: Digest) -> None:
        """Cost: one message per canary. If this process ends in between, the sweep does the rest."""
        for image in images:
            self.effects.outbox.rebuild(image, reason, _campaign(bundle))

    def _refused_entries(self, catalog: Mapping[str, object]) -> list[Problem]:
        """What is refused of the entries as things are now. One read of the policy, and one of the files of tools."""
        return [*self._not_allowed(catalog), *self._not_admitted(catalog)]

    def _not_allowed(self, catalog: Mapping[str, object]) -> Iterator[Problem]:
        return in_force.not_allowed(catalog, self.policy.demand())

    def _not_admitted(self, catalog: Mapping[str, object]) -> Iterator[Problem]:
        stored = self.records.tools.list() if catalog.get("entries") else ()
        return in_force.not_admitted(catalog, [each.value for each in stored])

    def _wake_roots(self, campaign: CampaignId) -> None:
        """Cost: one message per root. If this process ends in between, the sweep does the rest."""
        for followed in self.records.sources.list():
            for root in self.records.index.roots(followed.value.source):
                self.effects.outbox.rebuild(root, "platform-changed", campaign)


def _at_once(subject: str, work: Callable[[], bool]) -> bool:
    """Do the work; the first failure ends the slice."""
    return work()


def _campaign(bundle: Digest) -> CampaignId:
    return CampaignId(f"platform-{str(bundle)[:12]}")


def _is_on_trial(platform: Platform, bundle: Digest) -> bool:
    return platform.trial is not None and platform.trial.digest == bundle


def _demand_trial(platform: Platform | None, bundle: Digest) -> tuple[Platform, PlatformTrial]:
    """Raise NotFound where no trial of this bundle runs."""
    trial = None if platform is None else platform.trial
    if platform is None or trial is None:
        raise NotFound("no platform steps are on trial: `imagefactory platform show` prints what is in force")
    if trial.digest != bundle:
        raise NotFound(
            f"the platform steps on trial are {trial.digest}, and not {bundle}: look at them first"
        )
    return platform, trial


def _of_entries(bundle: Digest, entries: Collection[guard.CatalogEntry]) -> Platform:
    return Platform(
        digest=bundle,
        catalog={entry.id: (entry.id, entry.version, entry.sha256) for entry in entries},
        urls={entry.id: entry.url for entry in entries},
    )
