"""A build begins with all of its tools or not at all: each file is admitted, and its container may read this one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.blob_rights import BlobPlace
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Digest
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.tools import ToolState
from pipeline_core.ports import GroupState
from pipeline_core.wire import blob_token
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet
from simulation.chapters.inputs import brought
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

HOUR = timedelta(hours=1)
AGENT, GOSS, GOSS_ARM, GUIDE = "agent", "goss", "goss-arm64", "scap-security-guide"
TOOLS = dict.fromkeys((AGENT, GOSS, GOSS_ARM, GUIDE), "1.0.0")
CATALOG = fleet.catalog(TOOLS)
DIGESTS = {entry["id"]: Digest(entry["sha256"]) for entry in CATALOG["entries"]}


def factory(**images: Sequence[str]) -> SimulatedWorld:
    """A base, and a child of it, that name these tools. All files are admitted, and nothing has run yet."""
    made = scenes.registered({})
    digest, content = fleet.bundle("platform", catalog=CATALOG)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    brought.bring(made, TOOLS)
    made.factory.platforms.put(digest, CATALOG, ADMIN)
    made.register("rhel9-base", None, catalog=list(images.get("base", ())))
    made.register("rhel9-java", "rhel9-base", catalog=list(images.get("java", ())))
    return made


def become(made: SimulatedWorld, tool: str, state: ToolState) -> None:
    stored = made.base.records.tools.find(DIGESTS[tool])
    assert stored is not None
    reason = "" if state is ToolState.ADMITTED else "the scanner found something"
    made.base.records.tools.save(replace(stored.value, state=state, reason=reason), etag=stored.etag)


def started(made: SimulatedWorld, build: Build) -> tuple[BuildJob, frozenset[BlobPlace]]:
    """The job of the attempt's container, and the blobs that its token names."""
    wanted = made.ports.containers.wanted(attempts.group_of(build))
    digest = wanted.environment["IF_JOB"]
    content = made.ports.blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT)
    token = blob_token.from_wire(wanted.secrets[blob_token.VARIABLE])
    return BuildJob.from_wire(content, digest=digest), frozenset(token.own)


@pytest.mark.parametrize(
    ("phase", "catalog", "own"),
    [(Phase.BUILDING, {AGENT}, {GUIDE}), (Phase.VERIFYING, set(), {GOSS, GUIDE})],
    ids=["build", "verify"],
)
def test_a_container_may_read_the_files_of_its_own_stage_and_no_other(
    phase: Phase, catalog: set[str], own: set[str]
) -> None:
    made = factory(base=(AGENT,))
    build = scenes.in_phase(made, BASE, phase)
    scenes.lose(made)
    scenes.step(made, build)
    job, places = started(made, build)
    assert ({tool.id for tool in job.catalog}, {tool.id for tool in job.tools}) == (catalog, own)
    assert {place.name for place in places if place.container == "catalog"} == {
        str(DIGESTS[tool]) for tool in catalog | own
    }
    assert {tool.file for tool in job.catalog} == {f"{tool}-1.0.0.rpm" for tool in catalog}


def test_a_child_is_not_hardened_so_its_build_needs_no_guide() -> None:
    made = factory(java=(AGENT,))
    build = scenes.in_phase(made, JAVA, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    job, _ = started(made, build)
    assert ({tool.id for tool in job.catalog}, job.tools) == ({AGENT}, ())


@pytest.mark.parametrize("lost", [AGENT, GOSS, GUIDE])
def test_nothing_is_started_without_a_tool_and_it_goes_on_by_itself(lost: str) -> None:
    made = factory(base=(AGENT,))
    become(made, lost, ToolState.REFUSED)
    made.settle()
    assert scenes.builds(made, BASE) == []
    assert scenes.rest_of(made, BASE) == "not-admitted"
    assert made.ports.containers.list_groups() == []
    become(made, lost, ToolState.ADMITTED)
    scenes.look(made, BASE)
    made.settle()
    assert scenes.head(made, BASE).current is not None


@pytest.mark.parametrize("state", [ToolState.QUARANTINED, ToolState.REQUESTED])
def test_a_file_that_is_only_on_its_way_is_not_there(state: ToolState) -> None:
    made = factory(base=(AGENT,))
    become(made, AGENT, state)
    scenes.look(made, BASE)
    assert scenes.builds(made, BASE) == []
    assert scenes.rest_of(made, BASE) == "not-admitted"


def test_an_image_that_does_not_name_the_tool_is_not_touched() -> None:
    made = factory(java=(AGENT,))
    become(made, AGENT, ToolState.REFUSED)
    become(made, GOSS_ARM, ToolState.REFUSED)  # no image here is for Arm
    made.settle()
    assert scenes.head(made, BASE).current is not None
    assert scenes.builds(made, JAVA) == []
    assert scenes.rest_of(made, JAVA) == "not-admitted"


def _with_a_base_that_lacks(made: SimulatedWorld) -> None:
    """Both images are current; then a release comes, and the base alone lacks a file."""
    made.settle()
    become(made, AGENT, ToolState.REFUSED)
    scenes.released(made)
    made.run_until(made.ports.clock.now() + HOUR)
    assert scenes.rest_of(made, BASE) == "not-admitted"


def test_a_child_of_an_image_that_lacks_a_file_is_built_on_the_version_that_is_there() -> None:
    made = factory(base=(AGENT,))
    _with_a_base_that_lacks(made)
    version = scenes.head(made, BASE).current
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.settle()
    built = scenes.builds(made, JAVA)[-1]
    assert version is not None
    assert built.inputs.origin == ParentVersion(image=BASE, version=version.version)
    assert (len(scenes.builds(made, JAVA)), built.result) == (2, Result.SUCCEEDED)
    assert scenes.head(made, BASE).current == version


def test_the_sweep_looks_at_such_a_child_by_itself_and_at_its_base_too() -> None:
    """Whatever message was lost, and for as long as the base waits."""
    made = factory(base=(AGENT,))
    _with_a_base_that_lacks(made)
    made.register("rhel9-java", "rhel9-base", text="edited")
    scenes.lose(made)
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    made.settle()
    assert [each.result for each in scenes.builds(made, JAVA)] == [Result.SUCCEEDED] * 2
    become(made, AGENT, ToolState.ADMITTED)
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    made.settle()
    assert [each.result for each in scenes.builds(made, BASE)] == [Result.SUCCEEDED] * 2
    assert len(scenes.builds(made, JAVA)) == 3


def running(made: SimulatedWorld) -> Build:
    """The base's build, whose container builds."""
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    return build


def evicted(made: SimulatedWorld, build: Build) -> None:
    """Azure takes its container away: the same stage needs another one."""
    made.platform.next_end()
    scenes.lose(made)
    made.ports.containers.set_state(
        attempts.group_of(build), GroupState.FAILED, exit_code=137, detail="exit code 137"
    )
    scenes.step(made, build)
    scenes.step(made, build)
    assert scenes.stored(made, build.id).value.attempt == 2


@pytest.mark.parametrize("lost", [AGENT, GOSS], ids=["before a second try", "before it is verified"])
def test_a_build_in_its_slot_gives_it_back_and_nothing_counts_as_a_failure(lost: str) -> None:
    made = factory(base=(AGENT,))
    build = running(made)
    if lost == AGENT:
        evicted(made, build)
    become(made, lost, ToolState.REFUSED)
    made.settle()
    ended = scenes.stored(made, build.id).value
    assert (ended.result, ended.failure) == (Result.WITHDRAWN, None)
    head = scenes.head(made, BASE)
    assert (head.failures, head.active, head.breaker) == (0, None, None)
    assert made.ports.containers.list_groups() == []
    assert scenes.capacity(made).holders() == ()
    assert scenes.events(made, BASE).count(Event.WITHDRAWN) == 1
    assert scenes.events(made, BASE).count(Event.FAILED) == 0
    why = "is not admitted" if lost == AGENT else "is refused by now"
    assert why in scenes.entry_of(made, BASE, Event.WITHDRAWN).detail


def test_a_wait_of_days_says_it_once_and_ends_when_the_file_is_there() -> None:
    made = factory(base=(AGENT,))
    build = running(made)
    evicted(made, build)
    become(made, AGENT, ToolState.REFUSED)
    for _ in range(24):
        made.run_until(made.ports.clock.now() + 2 * HOUR)
    assert [each.id for each in scenes.builds(made, BASE)] == [build.id]
    assert scenes.events(made, BASE).count(Event.WITHDRAWN) == 1
    become(made, AGENT, ToolState.ADMITTED)
    made.run_until(made.ports.clock.now() + 2 * HOUR)  # a sweep looks
    made.settle()
    assert scenes.head(made, BASE).current is not None


def test_a_build_that_waits_in_line_begins_nothing_either() -> None:
    made = factory(base=(AGENT,))
    scenes.until(made, lambda: bool(scenes.builds(made, BASE)))
    become(made, GUIDE, ToolState.REFUSED)
    made.settle()
    assert made.ports.containers.list_groups() == []
    assert scenes.head(made, BASE).current is None


def test_the_catalog_of_platform_steps_is_read_once() -> None:
    made = factory(base=(AGENT,))
    reads: list[str] = []
    read: Callable[..., bytes] = made.ports.blobs.read

    def counted(container: str, name: str, **given: Any) -> bytes:
        reads.append(f"{container}/{name}")
        return read(container, name, **given)

    made.ports.blobs.read = counted  # type: ignore[method-assign]  # one method of the memory twin
    made.settle()
    platform = scenes.sources(made).find_platform()
    assert platform is not None
    assert reads.count(f"bundles/{platform.digest}.tar.gz") <= 1


def test_a_refused_catalog_says_at_once_what_is_missing_and_what_is_still_named() -> None:
    made = factory(base=(AGENT,))
    new = fleet.catalog({"unseen": "1.0.0"})
    digest, content = fleet.bundle("platform", catalog=new)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    with pytest.raises(InvalidDocument) as refused:
        made.factory.platforms.put(digest, new, ADMIN)
    told = [problem.message for problem in refused.value.problems]
    assert [message for message in told if message.startswith("has no 'agent', which rhel9-base")]
    assert [message for message in told if "was never brought" in message]
