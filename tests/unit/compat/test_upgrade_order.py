"""The numbered order of docs/operations.md, "Upgrade and roll-back", gone through by a fleet with rows and running
builds of an older release. What happens on Azure (Terraform, the containers' own release) is a flag of the simulation.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.tools import QUARANTINE, SERVED
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.wire.job import JOB_LIMIT, BuildJob, JobHardening, JobPort
from simulation import fleet, world
from simulation.chapters.inputs import brought
from simulation.world import SimulatedWorld
from tests.unit.compat import generation, readers
from tests.unit.compat.generation import Generation
from tests.unit.services import scenes

BASE, JAVA, PAYMENTS = (ImageName(name) for name in ("rhel9-base", "rhel9-java", "payments-api"))
FLEET: Mapping[str, str | None] = {
    "rhel9-base": None,
    "rhel9-java": "rhel9-base",
    "payments-api": "rhel9-java",
}
SERVES = [{"port": 8443, "when": "deployed"}]
# The last ones before `spec.serves`. The older of both lacks what was added to rows in between.
BEFORE = [each for each in generation.all_generations() if each.name in ("004-grants", "005-cores")]


def aged(made: SimulatedWorld, kept: Generation) -> set[str]:
    """Take out of every row the fields that the rows of a release do not have. Their names."""
    known: dict[int, set[str]] = defaultdict(set)
    for table, row in kept.rows:
        codec = readers.codec_of(table, row)
        if codec is not None:
            known[id(codec)] |= {*json.loads(str(row.cells["value"]))}
    taken = set()
    for table in generation.TABLES:
        for row in made.ports.tables.rows(table):
            codec = readers.codec_of(table, row)
            if codec is None or id(codec) not in known:
                continue
            value: dict[str, Any] = json.loads(str(row.cells["value"]))
            older = {name: said for name, said in value.items() if name in known[id(codec)]}
            taken |= value.keys() - older.keys()
            cells = {**row.cells, "value": json.dumps(older)}
            made.ports.tables.write(
                table, [TableWrite(verb=WriteKind.REPLACE, row=replace(row, cells=cells))]
            )
    return taken


def former(kept: Generation, *, tools: Mapping[str, str] | None = None) -> SimulatedWorld:
    """A fleet as the former release left it: one build runs in a container of the former builder.

    `tools` are in the catalog in force. That release fetched them from their vendors, so the factory has no file.
    """
    made = scenes.settled(FLEET)
    if tools:
        made.tools = dict(tools)
        world.put_platform(made, "platform")
        made.settle()
    made.platform.tries_ports = False
    scenes.released(made)
    for _ in range(200):
        if scenes.head(made, BASE).active is not None and made.platform.next_end() is not None:
            break
        assert made.host.deliver_one()
    for stored in made.base.records.tools.list():
        made.base.records.tools.delete(stored.value.sha256, etag=stored.etag)
        for container in (SERVED, QUARANTINE):
            made.ports.blobs.lose(container, str(stored.value.sha256))
    taken = aged(made, kept)
    assert ("cores" in taken) is (kept.name == "004-grants")
    return made


def register(made: SimulatedWorld, name: ImageName, **spec: Any) -> None:
    """Replace the definition of an image by one with further keys of `spec`."""
    document = fleet.document(str(name), FLEET[str(name)])
    document["spec"].update(spec)
    if "hardening" in spec:
        del document["spec"]["verify"]["compliance"]
    made.factory.registrar.register(
        name,
        document,
        world.upload(made, "content"),
        scenes.ADMIN,
        expected=scenes.head(made, name).document_etag,
        create_only=False,
    )


def ended(made: SimulatedWorld) -> dict[ImageName, list[Build]]:
    return {name: scenes.builds(made, name) for name in (BASE, JAVA, PAYMENTS)}


def counts(made: SimulatedWorld) -> dict[str, int]:
    return {str(name): len(builds) for name, builds in ended(made).items()}


def failures(made: SimulatedWorld) -> list[str]:
    """What builds failed for, of each that did not succeed."""
    return [
        f"{build.id}: {build.failure.message if build.failure else build.result}"
        for builds in ended(made).values()
        for build in builds
        if build.result is not Result.SUCCEEDED
    ]


def last_job(made: SimulatedWorld, name: ImageName) -> BuildJob:
    """The job of the verify stage of an image's last build."""
    (*_, build) = ended(made)[name]
    (found,) = [each for each in jobs(made) if each.build == str(build.id) and each.stage == "verify"]
    return found


def jobs(made: SimulatedWorld) -> list[BuildJob]:
    """Every job that was written."""
    found = []
    for blob in made.ports.blobs.list("jobs", ""):
        content = made.ports.blobs.read("jobs", blob.name, limit=JOB_LIMIT)
        found.append(BuildJob.from_wire(content, digest=blob.name.removesuffix(".json")))
    return found


def upgraded(made: SimulatedWorld) -> None:
    """Steps 1 and 2: the new code on the old rows, then the new builder."""
    made.rewire(made.base)  # nothing of before is remembered
    made.drain()
    made.platform.tries_ports = True


@pytest.mark.parametrize("kept", BEFORE, ids=lambda kept: str(kept.name))
def test_the_order_of_the_page_builds_each_image_once_more_and_no_build_fails(kept: Generation) -> None:
    made = former(kept)
    assert counts(made) == {"rhel9-base": 2, "rhel9-java": 1, "payments-api": 1}
    upgraded(made)
    # What ran goes on with the new code, and the release that came reaches every image: once, and no more.
    assert counts(made) == dict.fromkeys(FLEET, 2)
    made.factory.pauses.pause(scenes.ADMIN, "upgrade")  # 3; 4 is for bases
    world.put_platform(made, "steps with a firewall")  # 5
    made.drain()
    register(made, PAYMENTS, serves=SERVES)  # 6
    made.drain()
    assert all(build.is_finished or build.phase is Phase.PENDING for build in scenes.builds(made, BASE))
    assert counts(made) == {"rhel9-base": 3, "rhel9-java": 2, "payments-api": 2}
    made.factory.pauses.resume(scenes.ADMIN)
    made.settle()
    assert counts(made) == dict.fromkeys(FLEET, 3)
    assert failures(made) == []
    assert last_job(made, PAYMENTS).serves == (JobPort(port=8443, when="deployed"),)
    assert last_job(made, JAVA).serves == ()
    assert len({last_job(made, name).platform for name in (BASE, JAVA, PAYMENTS)}) == 1
    register(made, BASE, hardening={"fips": True})  # 7
    made.settle()
    assert failures(made) == []
    assert last_job(made, PAYMENTS).hardening == JobHardening(fips=True)


def test_a_base_that_serves_is_built_once_with_the_older_steps_and_never_without_its_ports() -> None:
    """Why step 4 comes before step 5 for a base: the other way round an image with closed ports would be published."""
    made = former(BEFORE[-1])
    upgraded(made)
    made.factory.pauses.pause(scenes.ADMIN, "upgrade")
    register(made, BASE, serves=SERVES)
    made.drain()
    world.put_platform(made, "steps with a firewall")
    made.factory.pauses.resume(scenes.ADMIN)
    made.settle()
    assert counts(made) == {"rhel9-base": 4, "rhel9-java": 3, "payments-api": 3}
    newest = last_job(made, BASE).platform
    without = [
        job for job in jobs(made) if job.platform == newest and job.image == str(BASE) and not job.serves
    ]
    assert without == []


def test_the_way_back_has_no_failed_build_either() -> None:
    made = former(BEFORE[-1])
    upgraded(made)
    register(made, PAYMENTS, serves=SERVES)
    world.put_platform(made, "steps with a firewall")
    register(made, BASE, hardening={"fips": True})
    made.settle()
    assert failures(made) == []
    register(made, BASE)
    made.settle()
    world.put_platform(made, "platform")  # the platform steps of the former release, before the builder
    made.settle()
    register(made, PAYMENTS)
    made.settle()
    made.platform.tries_ports = False
    scenes.released(made, "9.8.2026072323")
    made.settle()
    assert failures(made) == []
    assert last_job(made, PAYMENTS).serves == ()
    assert last_job(made, PAYMENTS).hardening == JobHardening()


def test_the_builder_after_the_definitions_refuses_what_serves_something() -> None:
    """Why step 2 comes before the definitions."""
    made = former(BEFORE[-1])
    made.rewire(made.base)
    made.drain()
    register(made, PAYMENTS, serves=SERVES)
    made.drain()
    assert any("ports: the builder did not report this check" in line for line in failures(made))


@pytest.mark.parametrize("pauses", [True, False])
def test_a_child_before_the_platform_steps_is_built_once_with_the_older_ones_also_in_a_pause(
    pauses: bool,
) -> None:
    """Why step 6 comes after step 5 for a child: it waits for its base there, and is planned with both."""
    made = former(BEFORE[-1])
    upgraded(made)
    older = last_job(made, PAYMENTS).platform
    if pauses:
        made.factory.pauses.pause(scenes.ADMIN, "upgrade")
    register(made, PAYMENTS, serves=SERVES)
    made.drain()
    world.put_platform(made, "steps with a firewall")
    if pauses:
        made.factory.pauses.resume(scenes.ADMIN)
    made.settle()
    assert counts(made) == {"rhel9-base": 3, "rhel9-java": 3, "payments-api": 4}
    assert [job.stage for job in jobs(made) if job.serves and job.platform == older] == ["build", "verify"]


@pytest.mark.parametrize("kept", BEFORE, ids=lambda kept: str(kept.name))
def test_builds_of_a_release_that_fetched_tools_wait_for_the_files_and_none_fails(kept: Generation) -> None:
    """Also the one that is between its stages: its version is made, and there is no file to test it with."""
    tools = {"goss": "1.0.0", "scap-security-guide": "0.1.82"}
    made = former(kept, tools=tools)
    before = counts(made)
    upgraded(made)
    made.run_until(made.ports.clock.now() + timedelta(hours=3))
    assert {name: builds[-1].phase for name, builds in ended(made).items()} == {
        BASE: Phase.VERIFYING,
        JAVA: Phase.FINISHED,
        PAYMENTS: Phase.FINISHED,
    }
    assert counts(made) == before
    brought.bring(made, tools)  # `imagefactory catalog submit images --wait`
    made.run_until(made.ports.clock.now() + timedelta(hours=2))
    made.settle()
    assert counts(made) == dict.fromkeys(FLEET, 3)
    assert failures(made) == []
    assert {tool.id for tool in last_job(made, BASE).tools} == set(tools)
