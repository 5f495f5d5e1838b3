"""What new platform steps would rebuild, and for how long, before anybody registers them. Changes nothing."""

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline_core.domain import access, platform_trials, rollouts
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import PermanentError, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import LineageFault, faults_of
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.plan import Decision, DoNothing, RestReason
from pipeline_core.domain.platform_trials import PlatformTrial
from pipeline_core.domain.policy import ComplianceFloor, Policy
from pipeline_core.domain.rollouts import Rollout
from pipeline_core.domain.staleness import Platform, World
from pipeline_core.guard import catalog as guard
from pipeline_core.guard import in_force, trials
from pipeline_core.ports import Clock, Principal
from pipeline_core.services.policies.policy import Policies, PolicyLost
from pipeline_core.services.views.outlook import Outlook
from pipeline_core.state.stores import Records
from pipeline_core.wire.problems import InvalidDocument, Problem

# An image that waits for its turn is built all the same.
_BUILDS = frozenset({RestReason.WAITS_FOR_ANCESTOR, RestReason.WAITS_FOR_RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformPlan:
    """What a change would do now. All counts are of images.

    `rollout` has what is built again, `stale` how many of these are to be built without the change, too. `running`
    have a build of the very inputs that they are to have. `resting` says by reason how many are stale and
    are not built by themselves; `without_tool` how many name a tool that is not in the catalog: no change reaches
    them. `unreadable` are not counted anywhere else. `slots` is how many builds run at once, `busy` how many run now.
    `refusals` is what a registration would be refused for now; what only the uploaded bundle shows is not in it.
    """

    registered: int
    rollout: Rollout
    stale: int
    running: int
    resting: Mapping[str, int]
    without_tool: int
    unreadable: int
    slots: int
    busy: int
    refusals: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformPlans:
    """`slots` is the factory's number of slots. The outlook of the sweep decides about each image, from the copies.

    A claim of a version is not known here: what was built from the same inputs before, as by steps that come back, is
    used again later and counted as a build now. So the plan is too high there.
    """

    records: Records
    policies: Policies
    clock: Clock
    slots: int

    def plan(
        self,
        bundle: Digest,
        catalog: Mapping[str, object],
        principal: Principal,
        *,
        canaries: Collection[ImageName] = (),
    ) -> PlatformPlan:
        """What these steps would do if they were in force now, or on trial for `canaries`.

        The bundle need not be uploaded, and is not looked into. Raises InvalidDocument for a catalog, or a trial, that
        would be refused, and PermanentError (PERMISSION). Cost: one query for 1,000 images, and one read each of
        sources, platform, policy, slots, and the files of tools where the catalog has entries.
        """
        access.demand(ApiOperation.PLAN_PLATFORM, principal)
        problems = [finding.as_problem() for finding in guard.check_catalog(catalog)]
        if problems:
            raise InvalidDocument(problems)
        heads: dict[ImageName, ImageHead] = {}
        notes: dict[ImageName, LookNote] = {}
        unreadable = 0
        for copy in self.records.fleet.copies():
            if copy.head is None:
                unreadable += 1
                continue
            heads[copy.head.name] = copy.head
            if copy.note is not None:
                notes[copy.head.name] = copy.note
        entries = guard.entries_of(catalog)
        old, named = self.records.sources.find_platform(), tuple(sorted(set(canaries)))
        if named:
            tools = {entry.id for entry in entries}
            problems += trials.beginning(old, bundle, tools, named, heads.values())
            if problems:
                raise InvalidDocument(problems)
        steps = Platform(
            digest=bundle, catalog={entry.id: (entry.id, entry.version, entry.sha256) for entry in entries}
        )
        new = _after(old, steps, self._trial_of(steps, named))
        parents = {name: head.registration.parent for name, head in heads.items()}
        world = World(
            heads=heads,
            sources=self.records.sources.followed(),
            platform=old,
            broken={name: LineageFault(problem=problem) for name, problem in faults_of(parents).items()},
        )
        before = _wishes(self._outlook(world, notes))
        after = _wishes(self._outlook(replace(world, platform=new), notes))
        plan = self._summed(heads, before, after, new, unreadable)
        return replace(
            plan, refusals=(*self._refusals(catalog), *(() if named else _dropped(old, steps, heads)))
        )

    def _summed(
        self,
        heads: Mapping[ImageName, ImageHead],
        before: "_Wishes",
        after: "_Wishes",
        new: Platform,
        unreadable: int,
    ) -> PlatformPlan:
        changed = _with_followers({*after.built, *after.running}, heads, after.decisions)
        due = changed - after.running
        resting = Counter[str]()
        without_tool = 0
        for name, decision in after.decisions.items():
            if not new.steps_of(name).catalog.keys() >= set(heads[name].registration.catalog):
                without_tool += 1
            elif (
                name not in changed
                and isinstance(decision, DoNothing)
                and decision.why is not RestReason.CURRENT
            ):
                resting[decision.why.value] += 1
        return PlatformPlan(
            registered=len(heads),
            rollout=rollouts.reckon(heads, due, self.slots),
            stale=len(due & before.built),
            running=len(after.running),
            resting=dict(sorted(resting.items())),
            without_tool=without_tool,
            unreadable=unreadable,
            slots=self.slots,
            busy=len(self.records.capacity.stages()),
        )

    def _refusals(self, catalog: Mapping[str, object]) -> Iterator[Problem]:
        """What the policy and the files of tools say against the entries. A policy that is lost says nothing here."""
        policy = self._policy()
        if policy is not None:
            yield from in_force.not_allowed(catalog, policy)
        stored = self.records.tools.list() if catalog.get("entries") else ()
        yield from in_force.not_admitted(catalog, [each.value for each in stored])

    def _policy(self) -> Policy | None:
        try:
            return self.policies.current()
        except (PolicyLost, UnreadableRow):
            return None

    def _outlook(self, world: World, notes: Mapping[ImageName, LookNote]) -> Outlook:
        return Outlook(world=world, notes=notes, floor_of=self._floors(), now=self.clock.now())

    def _floors(self) -> Callable[[ImageName], ComplianceFloor | None]:
        """The floor of a root, by the policy that is read once, where a root is asked about at all."""

        policy = functools.cache(lambda: self._policy())

        def floor_of(root: ImageName) -> ComplianceFloor | None:
            found = policy()
            return None if found is None else found.floor(root)

        return floor_of

    def _trial_of(self, steps: Platform, canaries: tuple[ImageName, ...]) -> PlatformTrial | None:
        if not canaries:
            return None
        return PlatformTrial(
            digest=steps.digest, catalog=steps.catalog, images=canaries, since=self.clock.now()
        )


def _after(old: Platform | None, steps: Platform, trial: PlatformTrial | None) -> Platform:
    """The platform as `Platforms.put` would leave it."""
    if old is None:
        return steps
    if trial is None:
        runs = None if old.trial is None or old.trial.digest == steps.digest else old.trial
        return replace(steps, trial=runs, ended=platform_trials.forget(old.ended, steps.digest))
    ended = old.ended if old.trial is None else platform_trials.remember(old.ended, old.trial)
    return replace(old, trial=trial, ended=ended)


def _dropped(
    old: Platform | None, steps: Platform, heads: Mapping[ImageName, ImageHead]
) -> Iterator[Problem]:
    """The tools that leave the catalog although images name them."""
    used: dict[str, list[ImageName]] = {}
    for head in heads.values():
        for tool in head.registration.catalog:
            if old is not None and tool in old.catalog and tool not in steps.catalog:
                used.setdefault(tool, []).append(head.name)
    return in_force.still_used(used)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """What is decided about each image; None for one whose ancestors do not end. `running` have their build already."""

    decisions: Mapping[ImageName, Decision | None]
    built: frozenset[ImageName]
    running: frozenset[ImageName]


def _wishes(outlook: Outlook) -> _Wishes:
    found = _decisions(outlook)
    running = frozenset(name for name in found if outlook.is_on_its_way(name))
    built = frozenset(name for name, decision in found.items() if _is_built(decision))
    return _Wishes(decisions=found, built=built - running, running=running)


def _decisions(outlook: Outlook) -> dict[ImageName, Decision | None]:
    """What a look would decide about each image; None for one whose ancestors do not end."""
    found: dict[ImageName, Decision | None] = {}
    for name in outlook.heads:
        try:
            decision = found[name] = outlook.decide(name)
            if isinstance(decision, DoNothing) and decision.why is RestReason.WAITS_FOR_ANCESTOR:
                obstacle = outlook.find_obstacle(name)
                if (
                    obstacle is not None and obstacle.why is RestReason.SUSPENDED
                ):  # a new parent does not end it
                    found[name] = obstacle
        except PermanentError:
            found[name] = None
    return found


def _with_followers(
    built: set[ImageName],
    heads: Mapping[ImageName, ImageHead],
    decisions: Mapping[ImageName, Decision | None],
) -> frozenset[ImageName]:
    """What is built, and what is current now and follows a new version of its parent: canaries that were tried."""
    children: dict[ImageName, list[ImageName]] = {}
    for name, decision in decisions.items():
        parent = heads[name].registration.parent
        is_current = isinstance(decision, DoNothing) and decision.why is RestReason.CURRENT
        if parent is not None and is_current and not heads[name].registration.suspend:
            children.setdefault(parent, []).append(name)
    found, left = set(built), list(built)
    while left:
        follow = [child for child in children.get(left.pop(), ()) if child not in found]
        found.update(follow)
        left += follow
    return frozenset(found)


def _is_built(decision: Decision | None) -> bool:
    if decision is None:
        return False
    return not isinstance(decision, DoNothing) or decision.why in _BUILDS
