"""The token of an attempt's container: for its own folder, for as long as it can run, and seen by nobody else."""

import json
from datetime import timedelta

import pytest

from pipeline_core.domain import attempts, blob_rights
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.names import Digest
from pipeline_core.services.builds import containers
from pipeline_core.wire import blob_token
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE


def _begun(phase: Phase) -> tuple[SimulatedWorld, Build]:
    """A world whose one build has a container group of this phase."""
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, phase)
    scenes.lose(made)
    scenes.step(made, build)
    return made, build


@pytest.mark.parametrize(("phase", "minutes"), [(Phase.BUILDING, 165 + 90), (Phase.VERIFYING, 45 + 90)])
def test_a_group_carries_a_token_for_its_own_folder_for_as_long_as_it_can_run(
    phase: Phase, minutes: int
) -> None:
    made, build = _begun(phase)
    wanted = made.ports.containers.wanted(attempts.group_of(build))
    assert set(wanted.secrets) == {blob_token.VARIABLE}
    token = blob_token.from_wire(wanted.secrets[blob_token.VARIABLE])
    digest = wanted.environment["IF_JOB"]
    job = BuildJob.from_wire(made.ports.blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT), digest=digest)
    assert (
        token.own.keys()
        == blob_rights.rights_of(
            attempts.folder_of(build),
            phase.stage,
            job=Digest(digest),
            bundles=(build.inputs.bundle, build.inputs.platform),
        ).keys()
    )
    life = timedelta(seconds=job.timeout_seconds) + timedelta(minutes=minutes)
    assert token.until == made.ports.clock.now() + life


def test_no_builder_that_the_driver_still_waits_for_is_without_a_token() -> None:
    waits = (containers._SILENCE, containers._BEGINNING, containers._MARGIN, 2 * containers._LAST_LOOK)
    assert sum(waits, timedelta(0)) <= blob_rights.MARGIN


def test_the_token_is_in_no_record_log_message_or_blob() -> None:
    made, build = _begun(Phase.BUILDING)
    wanted = made.ports.containers.wanted(attempts.group_of(build))
    token = blob_token.from_wire(wanted.secrets[blob_token.VARIABLE])
    made.drain()
    kept = [repr(wanted), repr(made.ports.containers.list_groups())]
    tables = ("images", "index", "capacity")
    kept += [repr(row) for table in tables for row in made.ports.tables.rows(table)]
    kept += [repr(line) for line in made.ports.logs.lines]
    kept += [
        made.ports.blobs.read(container, facts.name, limit=1 << 24).decode("utf-8", "replace")
        for container in ("builds", "jobs", "definitions", "provenance")
        for facts in made.ports.blobs.list(container, "", limit=10_000)
    ]
    text = json.dumps(kept)
    assert str(build.id) in text
    assert not [each for each in blob_token.secrets_in(token) if each in text]
