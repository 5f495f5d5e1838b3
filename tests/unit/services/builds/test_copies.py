"""A copy to the live gallery that fails: tried for a week, region by region, and nothing is built again."""

from datetime import timedelta

import pytest

from pipeline_core.domain import conditions
from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import (
    ErrorClass,
    ErrorScope,
    Owner,
    PermanentError,
    ScopeKind,
    TransientError,
)
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import NewGalleryVersion, VersionState
from simulation import fleet, world
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.simulation import outages
from tests.unit.services import scenes
from tests.unit.services.builds import copying
from tests.unit.services.scenes import BASE


def test_a_failed_replication_is_deleted_and_copied_again() -> None:
    made, build, version = copying.publishing(fails_with="the region is full")
    made.ports.clock.advance(timedelta(minutes=5))
    scenes.step(made, build)
    moved = copying.after(made, build)
    assert (moved.phase, moved.attempt, moved.seq) == (Phase.PUBLISHING, 2, build.seq + 1)
    assert copying.live(made, version) is None
    made.ports.galleries.fails_with = ""
    made.drain()
    assert copying.after(made, build).result is Result.SUCCEEDED
    assert made.ports.galleries.latest(LIVE, BASE) == version


def test_a_copy_that_fails_for_days_is_tried_with_growing_waits_and_nothing_is_built_again() -> None:
    made, build, version = copying.publishing(fails_with="the region is full")
    galleries, began = made.ports.galleries, made.ports.clock.now()
    scenes.step(made, build)
    scenes.until(made, lambda: made.ports.clock.now() >= began + timedelta(days=3))
    waiting = copying.after(made, build)
    assert waiting.phase is Phase.PUBLISHING
    assert 15 < waiting.attempt < 30  # the waits end at four hours
    assert waiting.failure is not None
    assert (waiting.failure.error_class, waiting.failure.who) == (ErrorClass.CAPACITY, Owner.AZURE)
    assert scenes.logged(made, "copy-failed", build_id=str(build.id), seconds=14400.0)
    (shown,) = conditions.of_build(waiting, None)
    assert (shown.type, shown.reason) == (ConditionType.COPY_FAILS, "Copying")
    assert "the region is full" in shown.message
    galleries.fails_with = ""
    made.drain()
    assert copying.after(made, build).result is Result.SUCCEEDED
    assert made.ports.galleries.latest(LIVE, BASE) == version
    assert len(scenes.builds(made, BASE)) == 1
    assert made.ports.containers.created == 2


def test_a_copy_that_fails_for_a_week_ends_the_build_and_it_is_not_the_teams() -> None:
    made, build, version = copying.publishing(fails_with="the region is full")
    began = made.ports.clock.now()
    scenes.step(made, build)
    scenes.until(made, lambda: copying.after(made, build).is_finished)
    assert made.ports.clock.now() - began >= timedelta(days=7)
    ended = copying.after(made, build)
    assert ended.result is Result.FAILED
    assert ended.failure is not None
    assert f"rhel9-base@{version} could not be replicated: the region is full" in ended.failure.message
    assert not ended.failure.is_of_team
    assert scenes.head(made, BASE).current is None
    assert copying.left(made) == []


def _in_three_regions(fails_in: str) -> SimulatedWorld:
    """One image that goes to three regions, one of which fails."""
    made = scenes.registered({})
    document = fleet.document("rhel9-base", None)
    names = ("westeurope", "northeurope", "eastus")
    document["spec"]["publish"]["regions"] = [{"name": name, "replicas": 1} for name in names]
    digest = world.upload(made, "content")
    made.factory.registrar.register(BASE, document, digest, ADMIN, expected=None, create_only=True)
    made.registered.add(BASE)
    made.ports.galleries.deletion = timedelta(0)
    made.ports.galleries.fails_in = {fails_in: "no room"}
    return made


def test_a_region_that_fails_does_not_withhold_the_version_from_the_others() -> None:
    made = _in_three_regions("northeurope")
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    began = made.ports.clock.now()
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    assert made.ports.clock.now() - began < timedelta(minutes=15)
    current = scenes.head(made, BASE).current
    assert current is not None
    live = copying.live(made, current.version)
    assert live is not None
    assert set(live.regions) == {"westeurope", "eastus"}
    assert copying.after(made, build).left_out == ("northeurope",)


def test_a_region_that_failed_gets_the_live_version_later() -> None:
    made = _in_three_regions("northeurope")
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.missing is not None
    assert current.missing.names == ("northeurope",)
    made.run_until(made.ports.clock.now() + timedelta(hours=6))  # it fails again, more than once
    again = scenes.head(made, BASE).current
    assert again is not None
    assert again.missing is not None
    assert again.missing.tries > 2
    live = copying.live(made, current.version)
    assert live is not None
    assert (live.state, set(live.regions)) == (VersionState.READY, {"westeurope", "eastus"})
    assert made.ports.galleries.latest(LIVE, BASE) == current.version
    made.ports.galleries.fails_in = {}
    made.run_until(made.ports.clock.now() + timedelta(hours=6))
    whole = scenes.head(made, BASE).current
    assert whole is not None
    assert (whole.version, whole.missing) == (current.version, None)
    live = copying.live(made, current.version)
    assert live is not None
    assert (live.state, set(live.regions)) == (VersionState.READY, {"westeurope", "eastus", "northeurope"})
    assert len(scenes.builds(made, BASE)) == 1
    assert made.poisoned == []


def test_no_region_is_asked_for_while_the_galleries_fail() -> None:
    made = _in_three_regions("northeurope")
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)
    made.ports.galleries.fails_in = {}
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.missing is not None
    made.drain()
    made.ports.clock.set(max(made.ports.clock.now(), current.missing.after))
    now = made.ports.clock.now()
    opened = PlatformBreaker(
        error_class=ErrorClass.NETWORK,
        scope=ErrorScope(kind=ScopeKind.REGION, name="westeurope"),
        opened_at=now,
        is_wide=True,
        call=PlatformCall.PUBLISH,
        next_probe=now + timedelta(minutes=1),
    )
    _, found = made.base.records.breakers.change(
        PlatformBreaker(error_class=opened.error_class, scope=opened.scope), lambda _: opened
    )
    assert outages.swept(made) == set()
    made.parts.builds.outages.close(found)
    assert outages.swept(made) == {BASE}


def test_a_refused_change_of_regions_has_its_next_turn_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _in_three_regions("northeurope")
    scenes.until(made, lambda: scenes.head(made, BASE).current is not None)

    def refuse(*_: object) -> None:
        raise PermanentError(ErrorClass.PERMISSION, "replicate: 403")

    monkeypatch.setattr(type(made.ports.galleries), "set_regions", refuse)
    made.run_until(made.ports.clock.now() + timedelta(hours=2))
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.missing is not None
    assert (current.missing.tries, current.missing.why) == (2, "replicate: 403")
    assert made.poisoned == []


def test_a_region_of_the_gallery_that_fails_holds_the_copy_back() -> None:
    made, build, _ = copying.publishing(fails_with="")
    made.ports.galleries.fails_in = {"westeurope": "no room"}
    assert build.version is not None
    made.ports.galleries.begin_delete(LIVE, BASE, build.version)
    scenes.step(made, build)
    made.ports.clock.advance(timedelta(minutes=5))
    scenes.step(made, build)
    after = copying.after(made, build)
    assert (after.attempt, after.left_out) == (2, ())
    assert after.copy_after == made.ports.clock.now() + timedelta(minutes=2)
    scenes.step(made, after)  # too early
    assert copying.live(made, build.version) is None
    made.ports.clock.advance(timedelta(minutes=2))
    scenes.step(made, after)
    assert copying.live(made, build.version) is not None


@pytest.mark.parametrize("error_class", [ErrorClass.PERMISSION, ErrorClass.AZURE_POLICY])
def test_a_right_that_is_missing_for_a_day_costs_no_proven_version(
    error_class: ErrorClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, build, version = copying.publishing()
    galleries = made.ports.galleries
    galleries.begin_delete(LIVE, BASE, version)
    began, real = made.ports.clock.now(), galleries.begin_copy

    def refuse(new: NewGalleryVersion) -> None:
        if made.ports.clock.now() < began + timedelta(days=1):
            raise PermanentError(error_class, "copy: 403")
        real(new)

    monkeypatch.setattr(type(galleries), "begin_copy", lambda _, new: refuse(new))
    scenes.step(made, build)
    made.drain()
    assert copying.after(made, build).result is Result.SUCCEEDED
    assert made.ports.containers.created == 2


@pytest.mark.parametrize("error_class", [ErrorClass.PERMISSION, ErrorClass.AZURE_POLICY])
def test_a_right_to_delete_that_is_missing_for_a_day_costs_no_proven_version(
    error_class: ErrorClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, build, version = copying.publishing(fails_with="the region is full")
    galleries = made.ports.galleries
    made.ports.clock.advance(timedelta(minutes=5))
    began, real = made.ports.clock.now(), galleries.begin_delete

    def refuse(gallery: GalleryName, image: ImageName, wanted: GalleryVersion) -> None:
        if gallery == LIVE and made.ports.clock.now() < began + timedelta(days=1):
            raise PermanentError(error_class, "delete: 403")
        real(gallery, image, wanted)

    monkeypatch.setattr(type(galleries), "begin_delete", lambda _, *named: refuse(*named))
    scenes.step(made, build)
    waiting = copying.after(made, build)
    assert (waiting.phase, waiting.attempt) == (Phase.PUBLISHING, 2)
    assert waiting.failure is not None
    assert (waiting.failure.error_class, "delete: 403" in waiting.failure.message) == (error_class, True)
    galleries.fails_with = ""
    scenes.until(made, lambda: made.ports.clock.now() >= began + timedelta(hours=12))
    assert copying.live(made, version) is not None  # the copy that failed is still there
    assert made.base.records.breakers.list() == []
    made.drain()
    assert copying.after(made, build).result is Result.SUCCEEDED
    assert galleries.latest(LIVE, BASE) == version
    assert made.ports.containers.created == 2


def test_a_slow_deletion_of_a_failed_copy_is_waited_for() -> None:
    made, build, version = copying.publishing(fails_with="the region is full")
    galleries = made.ports.galleries
    galleries.deletion = timedelta(minutes=20)
    made.ports.clock.advance(timedelta(minutes=5))
    scenes.step(made, build)
    galleries.fails_with = ""
    made.drain()
    assert copying.after(made, build).result is Result.SUCCEEDED
    assert copying.after(made, build).attempt == 2
    assert galleries.latest(LIVE, BASE) == version


def _full(count: int) -> list[Exception]:
    text = "409 OperationNotAllowed: it results in exceeding approved GalleryImage quota"
    return [TransientError(ErrorClass.QUOTA, text) for _ in range(count)]


@pytest.mark.parametrize("call", ["begin_copy", "ensure_image"])
def test_a_publication_that_waits_for_room_says_so_and_whose_turn_it_is_until_it_is_copied(call: str) -> None:
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    galleries = scenes.Failing(inner=made.ports.galleries, name=call, errors=_full(3))
    scenes.rewired(made, galleries=galleries)
    scenes.until(made, lambda: len(galleries.errors) == 1)
    held = copying.after(made, build)
    assert held.phase is Phase.PUBLISHING
    (shown,) = made.factory.queries.build(build.id).conditions
    assert (shown.type, shown.reason, shown.since) == (
        ConditionType.GALLERY_FULL,
        "SubscriptionLimit",
        held.full_since,
    )
    assert "exceeding approved GalleryImage quota" in shown.message
    assert "SecOps makes room" in shown.message
    assert made.factory.queries.image(BASE).builds[0].conditions == (shown,)
    made.drain()
    ended = copying.after(made, build)
    assert (ended.result, ended.full_since, ended.failure) == (Result.SUCCEEDED, None, None)
    assert len(scenes.builds(made, BASE)) == 1


def test_a_wait_for_room_writes_its_reason_once_and_has_no_end() -> None:
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    scenes.rewired(
        made, galleries=scenes.Failing(inner=made.ports.galleries, name="begin_copy", errors=_full(10_000))
    )
    began = made.ports.clock.now()
    scenes.until(made, lambda: made.ports.clock.now() > began + timedelta(days=1))
    etag = scenes.stored(made, build.id).etag
    scenes.until(made, lambda: made.ports.clock.now() > began + timedelta(days=15))
    held = scenes.stored(made, build.id)
    assert (held.etag, held.value.phase) == (etag, Phase.PUBLISHING)
    assert held.value.full_since is not None
    assert held.value.full_since < began + timedelta(hours=2)
