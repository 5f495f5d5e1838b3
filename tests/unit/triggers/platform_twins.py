"""The twin of the platform steps: a trial runs on one image, which has shown how they do."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.platform_trials import CanaryState, EndedTrial, PlatformTrial
from pipeline_core.domain.rollouts import Rollout
from pipeline_core.domain.staleness import Platform
from pipeline_core.ports import Principal
from pipeline_core.services.views.platform_plans import PlatformPlan
from pipeline_core.wire.problems import Problem
from tests.unit.triggers import views

TRIAL = PlatformTrial(
    digest=Digest("cd" * 32), images=(ImageName("rhel9-canary"),), since=views.NOW, by="user:1111@2222"
)
TRIED = Platform(
    digest=Digest("ab" * 32),
    trial=TRIAL,
    ended=(EndedTrial(digest=Digest("12" * 32), images=(ImageName("rhel9-canary"),)),),
)
PLAN = PlatformPlan(
    registered=9,
    rollout=Rollout(
        images=7,
        waves=(1, 4, 2),
        measured=6,
        machine_time=timedelta(seconds=12_840),
        elapsed=timedelta(seconds=5_520),
        longest=timedelta(seconds=2_400),
    ),
    stale=2,
    running=3,
    resting={"suspended": 1},
    without_tool=1,
    unreadable=0,
    slots=8,
    busy=2,
    refusals=(Problem(path="catalog.entries", message="has no 'falcon'", remedy="keep the tool"),),
)


@dataclass
class Platforms:
    """SecOps only."""

    bundles: list[str] = field(default_factory=list)
    dropped: list[bool] = field(default_factory=list)
    decided: list[tuple[Any, ...]] = field(default_factory=list)

    def put(
        self,
        bundle: Digest,
        catalog: Any,
        principal: Principal,
        *,
        drop_used: bool = False,
        canaries: Sequence[ImageName] = (),
    ) -> Platform:
        access.demand(ApiOperation.PUT_PLATFORM, principal)
        self.dropped.append(drop_used)
        self.bundles.append(str(bundle))
        platform = Platform(digest=bundle, catalog=catalog)
        return replace(TRIED, trial=replace(TRIAL, images=tuple(canaries))) if canaries else platform

    def show(self) -> tuple[Platform, dict[ImageName, CanaryState]]:
        return TRIED, {ImageName("rhel9-canary"): CanaryState.TRIED}

    def promote(
        self, bundle: Digest, principal: Principal, *, drop_used: bool, untried: bool, over_newer: bool
    ) -> Platform:
        access.demand(ApiOperation.PROMOTE_TRIAL, principal)
        self.decided.append(("promote", str(bundle), drop_used, untried, over_newer))
        return Platform(digest=bundle)

    def end_trial(self, bundle: Digest, principal: Principal) -> Platform:
        access.demand(ApiOperation.END_TRIAL, principal)
        self.decided.append(("end", str(bundle)))
        return replace(TRIED, trial=None)

    def plan(
        self, bundle: Digest, catalog: Any, principal: Principal, *, canaries: Sequence[ImageName] = ()
    ) -> PlatformPlan:
        access.demand(ApiOperation.PLAN_PLATFORM, principal)
        self.decided.append(("plan", str(bundle), tuple(map(str, canaries))))
        return PLAN
