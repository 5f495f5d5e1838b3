"""The two stages in a container: one group per attempt, evictions tried again, slots given back at the end only."""

from datetime import timedelta

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.ports import GroupState
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from pipeline_core.wire.report import BuildReport
from simulation.faults import Faults
from simulation.world import LIVE, QUARANTINE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, WAIT

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


def _running(phase: Phase = Phase.BUILDING, **options: object) -> tuple[SimulatedWorld, Build, str]:
    """A world whose one build has a container that runs; its messages are held back by the test."""
    made = scenes.registered(ONE, **options)
    build = scenes.in_phase(made, BASE, phase)
    scenes.lose(made)
    scenes.step(made, build)
    made.platform.next_end()  # the container starts and leaves its marker
    scenes.lose(made)
    return made, build, attempts.group_of(build)


def _folder(build: Build) -> str:
    return attempts.folder_of(build)


def _vanish(made: SimulatedWorld, name: str) -> None:
    made.ports.containers.delete_group(name)
    assert made.ports.containers.find_group(name) is None


def _job(made: SimulatedWorld, name: str) -> BuildJob:
    digest = made.ports.containers.wanted(name).environment["IF_JOB"]
    return BuildJob.from_wire(made.ports.blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT), digest=digest)


def _report(made: SimulatedWorld, of: Build, **changes: object) -> None:
    now = made.ports.clock.now()
    fields: dict[str, object] = {
        "build": str(of.id),
        "stage": of.phase.stage,
        "attempt": of.attempt,
        "succeeded": True,
        "packer": "recorded",
        "started_at": now,
        "ended_at": now,
        "artifact": f"/galleries/quarantine/images/rhel9-base/versions/{of.version}",
    }
    report = BuildReport.model_validate({**fields, **changes})
    _leave(made, of, report.to_wire())


def _leave(made: SimulatedWorld, build: Build, content: bytes) -> None:
    name = f"{_folder(build)}/result.json"
    made.ports.blobs.create("builds", name, content, media_type="application/json")


def _now(made: SimulatedWorld, build: Build) -> Build:
    return scenes.stored(made, build.id).value


def test_the_group_carries_its_job_and_no_secret_in_sight() -> None:
    made, build, name = _running()
    wanted = made.ports.containers.wanted(name)
    assert set(wanted.environment) == {
        "IF_ATTEMPT",
        "IF_BLOB_ENDPOINT",
        "IF_BUILD_ID",
        "IF_CLIENT_ID",
        "IF_JOB",
        "IF_QUEUE_ENDPOINT",
        "IF_STAGE",
    }
    job = _job(made, name)
    assert (job.build, job.stage, job.attempt, job.is_root) == (str(build.id), "build", 1, True)
    assert job.destination.version == str(build.version)
    assert job.source.version == "9.6.2025112113"
    assert wanted.tags == {
        "imagefactory-attempt": "1",
        "imagefactory-build": str(build.id),
        "imagefactory-image": "rhel9-base",
        "imagefactory-lease": "2026-11-21T14:00:00Z",  # timeout, after the steps, an hour
        "imagefactory-stage": "build",
    }


def test_the_verify_stage_boots_the_quarantined_version_and_builds_nothing() -> None:
    made, build, name = _running(Phase.VERIFYING)
    job = _job(made, name)
    assert (job.stage, job.steps, job.catalog) == ("verify", (), ())
    assert job.source == job.destination
    assert job.destination.gallery == "quarantine"
    assert job.destination.version == str(build.version)
    assert job.tests.profile == "cis_server_l1"


def test_a_child_is_built_from_its_parent_in_the_live_gallery() -> None:
    made = scenes.settled(TWO)
    parent = scenes.head(made, BASE).current
    assert parent is not None
    (build,) = scenes.builds(made, JAVA)
    first = build.id
    blobs = made.ports.blobs
    contents = [blobs.read("jobs", facts.name, limit=JOB_LIMIT) for facts in blobs.list("jobs", "")]
    jobs = [BuildJob.model_validate_json(content) for content in contents]
    (job,) = [one for one in jobs if one.build == str(first) and one.stage == "build"]
    assert not job.is_root
    assert job.source.model_dump() == {
        **job.destination.model_dump(),
        "gallery": "live",
        "image": "rhel9-base",
        "version": str(parent.version),
    }


def test_a_container_that_vanishes_is_an_eviction_and_the_next_attempt_has_a_higher_version() -> None:
    made, build, name = _running()
    _vanish(made, name)
    scenes.step(made, build)
    after = _now(made, build)
    assert (after.phase, after.attempt, after.seq) == (Phase.BUILDING, 2, build.seq + 1)
    assert after.failure is not None
    assert after.failure.error_class is ErrorClass.EVICTION
    assert after.version is not None
    assert build.version is not None
    assert after.version.sequence == build.version.sequence + 1
    assert scenes.head(made, BASE).last_version == after.version
    assert attempts.group_of(after) != name
    assert scenes.events(made, BASE).count(Event.RETRIED) == 1
    made.drain()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version == after.version


def test_a_verify_attempt_that_is_evicted_keeps_the_version_that_it_verifies() -> None:
    made, build, name = _running(Phase.VERIFYING)
    _vanish(made, name)
    scenes.step(made, build)
    after = _now(made, build)
    assert (after.phase, after.attempt) == (Phase.VERIFYING, 2)
    assert after.version == build.version
    made.drain()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version == build.version


def test_evictions_end_the_build_after_three_tries() -> None:
    made = scenes.registered(ONE, faults=Faults(evicted=1.0))
    made.drain()
    (build,) = scenes.builds(made, BASE)
    assert (build.result, build.attempt) == (Result.FAILED, 3)
    assert build.failure is not None
    assert build.failure.error_class is ErrorClass.EVICTION
    assert made.ports.containers.created == 3
    assert made.ports.containers.names() == []
    assert scenes.capacity(made).holders() == ()


def test_a_marker_without_a_group_is_never_created_again_for_the_same_attempt() -> None:
    made, build, name = _running()
    _vanish(made, name)
    created = made.ports.containers.created
    for _ in range(3):
        scenes.step(made, build)
    assert made.ports.containers.created == created
    assert made.ports.containers.find_group(name) is None
    assert _now(made, build).attempt == 2


def test_two_steps_of_one_moment_create_one_group_and_start_it_once() -> None:
    made, build, name = _running()
    scenes.step(made, build)
    scenes.step(made, build)
    assert (made.ports.containers.created, made.ports.containers.starts(name)) == (1, 1)


def test_the_slot_is_kept_until_the_deletion_of_the_group_is_confirmed() -> None:
    made, build, name = _running(Phase.VERIFYING)
    made.ports.containers.deletion = timedelta(minutes=2)
    made.ports.clock.advance(timedelta(minutes=6))
    made.platform.advance()
    scenes.lose(made)
    for _ in range(3):
        scenes.step(made, build)
        assert _now(made, build).phase is Phase.VERIFYING
        assert scenes.capacity(made).holds(build.id)
    made.ports.clock.advance(timedelta(minutes=2))
    scenes.step(made, build)
    assert _now(made, build).phase is Phase.PUBLISHING
    assert not scenes.capacity(made).holds(build.id)
    assert made.ports.containers.find_group(name) is None


def test_a_failed_build_ends_only_when_its_group_is_gone() -> None:
    made, build, _ = _running(failing={("rhel9-base", "build"): "provisioner"})
    made.ports.containers.deletion = timedelta(minutes=2)
    made.ports.clock.advance(timedelta(minutes=11))
    made.platform.advance()
    scenes.step(made, build)
    assert not _now(made, build).is_finished
    assert scenes.capacity(made).holds(build.id)
    made.ports.clock.advance(timedelta(minutes=2))
    scenes.step(made, build)
    assert _now(made, build).result is Result.FAILED
    assert not scenes.capacity(made).holds(build.id)


def test_verifying_begins_while_the_build_stages_group_is_still_being_deleted() -> None:
    made, build, name = _running()
    made.ports.containers.deletion = timedelta(minutes=40)
    made.ports.clock.advance(timedelta(minutes=11))
    made.platform.advance()
    scenes.step(made, build)
    assert _now(made, build).phase is Phase.VERIFYING
    assert made.ports.containers.find_group(name) is not None
    began = made.ports.clock.now()
    scenes.until(made, lambda: _now(made, build).phase is Phase.PUBLISHING)
    # The slot that both stages used is given back only when both groups are confirmed gone.
    assert made.ports.clock.now() - began >= timedelta(minutes=40)
    assert made.ports.containers.names() == []


def test_the_hourly_budget_of_creations_delays_a_build_and_does_not_fail_it() -> None:
    made = scenes.registered(ONE, creates_per_hour=1)
    began = made.ports.clock.now()
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    assert made.ports.containers.created == 1
    made.drain()
    (ended,) = scenes.builds(made, BASE)
    assert (ended.id, ended.result, ended.attempt) == (build.id, Result.SUCCEEDED, 1)
    assert made.ports.containers.created == 2
    assert made.ports.clock.now() - began >= timedelta(hours=1)


def test_a_container_that_falls_silent_is_ended_and_tried_again() -> None:
    made, build, name = _running()
    made.ports.blobs.append("builds", f"{_folder(build)}/log.txt", b"line")
    made.ports.clock.advance(timedelta(minutes=9))
    scenes.step(made, build)
    assert made.ports.containers.find_group(name) is not None
    made.ports.clock.advance(timedelta(minutes=2))
    scenes.step(made, build)
    assert made.ports.containers.find_group(name) is None
    scenes.step(made, build)
    after = _now(made, build)
    assert after.attempt == 2
    assert after.failure is not None
    assert "fell silent" in after.failure.message


def test_a_container_that_keeps_writing_its_log_is_left_alone() -> None:
    made, build, name = _running()
    for _ in range(6):
        made.ports.clock.advance(timedelta(minutes=8))
        made.ports.blobs.append("builds", f"{_folder(build)}/log.txt", b"line")
        scenes.step(made, build)
    assert made.ports.containers.find_group(name) is not None
    assert _now(made, build).attempt == 1


def test_a_container_that_talks_for_ever_meets_the_deadline() -> None:
    made, build, name = _running()
    made.ports.clock.advance(
        timedelta(minutes=256)
    )  # 60 of the definition, 165 after its steps, and the margin of 30
    made.ports.blobs.append("builds", f"{_folder(build)}/log.txt", b"line")
    scenes.step(made, build)
    assert made.ports.containers.find_group(name) is None


def test_an_ended_container_without_a_report_is_removed_and_tried_again() -> None:
    made, build, name = _running()
    made.ports.containers.set_state(name, GroupState.FAILED, exit_code=137)
    scenes.step(made, build)
    assert made.ports.containers.find_group(name) is None
    scenes.step(made, build)
    assert _now(made, build).attempt == 2


def test_a_report_counts_even_where_the_container_died_after_it() -> None:
    made, build, name = _running()
    _report(made, build)
    made.ports.containers.set_state(name, GroupState.FAILED, exit_code=143)
    scenes.step(made, build)
    scenes.step(made, build)
    assert _now(made, build).phase is Phase.VERIFYING


def test_a_report_of_another_version_ends_the_build() -> None:
    made, build, name = _running()
    _report(made, build, artifact="/galleries/quarantine/images/rhel9-base/versions/9.20200101.1")
    _vanish(made, name)
    scenes.step(made, build)
    after = _now(made, build)
    assert after.result is Result.FAILED
    assert after.failure is not None
    assert "9.20200101.1" in after.failure.message


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"build": 1}'])
def test_a_report_that_cannot_be_read_ends_the_build_and_says_where(content: bytes) -> None:
    made, build, name = _running()
    _vanish(made, name)
    _leave(made, build, content)
    scenes.step(made, build)
    after = _now(made, build)
    assert after.result is Result.FAILED
    assert after.failure is not None
    assert f"{_folder(build)}/result.json" in after.failure.message


def test_a_verify_report_without_the_demanded_checks_publishes_nothing() -> None:
    made, build, name = _running(Phase.VERIFYING)
    _report(made, build, artifact="", checks=({"name": "boot", "passed": True},))
    _vanish(made, name)
    scenes.step(made, build)
    made.drain()  # the version in quarantine goes first
    after = _now(made, build)
    assert after.result is Result.FAILED
    assert made.ports.galleries.everything(QUARANTINE) == []
    assert made.ports.galleries.everything(LIVE) == []
    assert after.failure is not None
    assert "hygiene: the builder did not report this check" in after.failure.message


def test_the_evidence_of_a_proven_build_is_kept_by_its_digest() -> None:
    made = scenes.settled(ONE)
    (build,) = scenes.builds(made, BASE)
    content = made.ports.blobs.read("provenance", f"{build.provenance}.json", limit=10**6)
    assert scenes.sha256(content) == str(build.provenance)
    for text in (str(build.inputs.origin), str(build.inputs.bundle), str(build.fingerprint), "compliance"):
        assert text in content.decode()
    assert build.build_result is not None
    assert build.verify_result is not None


def test_what_an_old_attempt_left_in_quarantine_is_never_taken_for_ours() -> None:
    made, build, name = _running()
    _vanish(made, name)
    scenes.step(made, build)
    made.drain()
    current = scenes.head(made, BASE).current
    assert current is not None
    found = {version.version for version in made.ports.galleries.list_versions(QUARANTINE, BASE)}
    assert build.version not in found
    assert current.version in found


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_network_error_while_the_group_is_created_is_not_an_attempt() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    error = TransientError(ErrorClass.NETWORK, "no answer")
    scenes.rewired(
        made, containers=scenes.Failing(inner=made.ports.containers, name="create_group", errors=[error])
    )
    scenes.step(made, build)
    assert _now(made, build) == build
    scenes.step(made, build)
    assert made.ports.containers.created == 0  # somebody has just begun to create it, for all that is known
    made.ports.clock.advance(timedelta(minutes=3))
    scenes.step(made, build)
    assert made.ports.containers.created == 1


def test_a_waiting_step_comes_again_after_the_configured_wait() -> None:
    made, build, _ = _running()
    scenes.step(made, build)
    (message,) = made.ports.queues.messages("build-steps")
    assert message.visible_at - made.ports.clock.now() == WAIT


@pytest.mark.parametrize(
    "told", [{"build": "rhel9-java.000000000000.1"}, {"stage": "verify"}, {"attempt": 2}], ids=str
)
def test_a_report_that_is_of_something_else_counts_for_nothing(told: dict[str, object]) -> None:
    made, build, _ = _running()
    _report(made, build, **told)
    scenes.step(made, build)
    made.drain()
    ended = _now(made, build)
    assert ended.result is Result.FAILED
    assert ended.failure is not None
    assert "a builder wrote to a wrong folder" in ended.failure.message
    assert made.ports.galleries.everything(LIVE) == made.ports.galleries.everything(QUARANTINE) == []
