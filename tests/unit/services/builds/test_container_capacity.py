"""Containers that cannot be had, never begin, or must be gone: what waits, and what is tried again."""

from datetime import timedelta

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import BuildId
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from pipeline_core.wire.report import BuildReport
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _now(made: SimulatedWorld, build: Build) -> Build:
    return scenes.stored(made, build.id).value


def test_a_quota_queues_a_build_however_long_and_never_fails_it() -> None:
    made = scenes.registered(ONE)
    made.ports.containers.limit = 0
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    for _ in range(3):
        scenes.step(made, build)
        made.ports.clock.advance(timedelta(hours=8))
    assert _now(made, build) == build
    made.ports.containers.limit = 10
    scenes.step(made, build)
    made.drain()
    assert [ended.result for ended in scenes.builds(made, BASE)] == [Result.SUCCEEDED]


def test_a_build_that_waits_for_its_container_has_one_job_an_hour() -> None:
    made = scenes.registered(ONE)
    made.ports.containers.limit = 0
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    begun, asked = made.ports.clock.now(), 0
    while made.ports.clock.now() < begun + timedelta(hours=3):
        scenes.step(made, build)
        made.ports.clock.advance(timedelta(minutes=6))
        asked += 1
    jobs = [
        BuildJob.from_wire(
            made.ports.blobs.read("jobs", each.name, limit=JOB_LIMIT), digest=each.name.removesuffix(".json")
        )
        for each in made.ports.blobs.list("jobs", "")
    ]
    assert (asked, len(jobs)) == (30, 4)  # the three hours touch four full ones
    leases = sorted(job.lease_until for job in jobs)
    assert [lease - leases[0] for lease in leases] == [timedelta(hours=hours) for hours in range(4)]
    definition = made.base.effects.documents.definition(build.definition)
    needed = definition.build.timeout + attempts.AFTER_STEPS[build.phase.stage] + timedelta(hours=1)
    assert timedelta(0) <= leases[0] - (begun + needed) < timedelta(hours=1)


@pytest.mark.parametrize("waited", [timedelta(0), timedelta(hours=8)], ids=["at once", "after hours"])
def test_a_group_whose_container_never_begins_is_given_up_half_an_hour_after_that_was_seen(
    waited: timedelta,
) -> None:
    made = scenes.registered(ONE)
    made.ports.containers.limit = 0
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    made.ports.clock.advance(waited + timedelta(minutes=6))  # a refusal pauses creations for five minutes
    made.ports.containers.limit = 10
    scenes.step(made, build)
    (name,) = made.ports.containers.names()
    made.ports.clock.advance(timedelta(minutes=11))  # before that nobody asks whether it has begun
    scenes.step(made, build)
    made.ports.clock.advance(timedelta(minutes=29))
    scenes.step(made, build)
    assert made.ports.containers.find_group(name) is not None
    made.ports.clock.advance(timedelta(minutes=2))
    scenes.step(made, build)
    assert made.ports.containers.names() == []
    scenes.step(made, build)
    after = _now(made, build)
    assert after.failure is not None
    assert (after.attempt, after.failure.error_class) == (2, ErrorClass.CAPACITY)


def test_a_group_that_was_created_after_hours_of_waiting_has_its_full_time_to_begin() -> None:
    made = scenes.registered(ONE)
    made.ports.containers.limit = 0
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    made.ports.clock.advance(timedelta(hours=8))
    made.ports.containers.limit = 10
    scenes.step(made, build)
    (name,) = made.ports.containers.names()
    for _ in range(5):
        scenes.step(made, build)
        made.ports.clock.advance(timedelta(minutes=6))
    assert made.ports.containers.find_group(name) is not None
    scenes.lose(made)
    made.drain()  # the container begins to run, and all goes well
    scenes.step(made, build)
    made.drain()
    (ended,) = scenes.builds(made, BASE)
    assert (ended.result, ended.attempt) == (Result.SUCCEEDED, 1)


@pytest.mark.parametrize(
    "artifact",
    ["", "/galleries/quarantine/images/rhel9-base/versions/9.20200101.1"],
    ids=["garbage", "other"],
)
def test_an_error_that_ends_a_build_leaves_no_group_and_holds_the_slot_until_then(artifact: str) -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    made.ports.containers.deletion = timedelta(minutes=5)
    report = BuildReport(
        build=str(build.id),
        stage="build",
        attempt=1,
        succeeded=True,
        packer="recorded",
        started_at=made.ports.clock.now(),
        ended_at=made.ports.clock.now(),
        artifact=artifact,
    )
    content = report.to_wire() if artifact else b"{"
    made.ports.blobs.create(
        "builds", f"{build.id}/build-1/result.json", content, media_type="application/json"
    )
    scenes.step(made, build)
    assert not _now(made, build).is_finished
    assert scenes.capacity(made).holds(build.id)
    made.ports.clock.advance(timedelta(minutes=6))
    scenes.step(made, build)
    assert _now(made, build).result is Result.FAILED
    assert made.ports.containers.names() == []
    assert not scenes.capacity(made).holds(build.id)


_NO_ROOM = "409 OperationNotAllowed: it results in exceeding approved GalleryImage quota"


def test_a_build_without_room_in_quarantine_says_so_and_keeps_no_other_from_its_container() -> None:
    made = scenes.registered(ONE)
    errors: list[Exception] = [TransientError(ErrorClass.QUOTA, _NO_ROOM) for _ in range(3)]
    galleries = scenes.Failing(inner=made.ports.galleries, name="ensure_image", errors=errors)
    scenes.rewired(made, galleries=galleries)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.until(made, lambda: len(galleries.errors) == 1)
    held = scenes.stored(made, build.id)
    assert (held.value.phase, held.value.seq, held.value.attempt) == (Phase.BUILDING, build.seq, 1)
    (shown,) = made.factory.queries.build(build.id).conditions
    assert (shown.type, shown.reason, shown.since) == (
        ConditionType.GALLERY_FULL,
        "QuarantineLimit",
        held.value.full_since,
    )
    assert "exceeding approved GalleryImage quota" in shown.message
    assert "SecOps makes room in the subscription of the quarantine gallery" in shown.message
    assert made.factory.queries.image(BASE).builds[0].conditions == (shown,)
    other, now = BuildId("other.000000000000.1"), made.ports.clock.now()
    assert made.base.records.capacity.buy_creation(other, "verify-1", now) is None
    scenes.until(made, lambda: len(galleries.errors) == 0)
    assert scenes.stored(made, build.id).etag == held.etag  # written once
    scenes.until(made, lambda: made.ports.containers.created == 1)
    assert made.factory.queries.build(build.id).conditions == ()
    made.drain()
    assert [ended.result for ended in scenes.builds(made, BASE)] == [Result.SUCCEEDED]
