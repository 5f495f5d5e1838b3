"""Platform steps: SecOps only, every problem at once, and each image becomes stale by a change."""

from typing import Any

import pytest

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import Digest
from pipeline_core.domain.reasons import ReasonKind
from pipeline_core.ports import Principal
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

SHA = "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210"
TOOL = {
    "id": "falcon",
    "version": "7.18.0",
    "url": "https://tools.example.com/falcon-7.18.0.rpm",
    "sha256": SHA,
}


def _catalog(*entries: dict[str, str]) -> dict[str, Any]:
    return {"hosts": ["tools.example.com"], "entries": list(entries)}


def _with_tool(made: SimulatedWorld, **changes: str) -> None:
    digest = world.upload(made, "platform")
    made.factory.platforms.put(digest, _catalog({**TOOL, **changes}), ADMIN)


def test_a_tool_of_the_catalog_is_an_input_and_its_address_is_not() -> None:
    made = scenes.registered({})
    _with_tool(made)
    document = fleet.document("rhel9-base", None)
    document["spec"]["build"]["catalog"] = ["falcon"]
    bundle = world.upload(made, "content")
    made.factory.registrar.register(BASE, document, bundle, ADMIN, expected=None, create_only=True)
    made.drain()
    (build,) = scenes.builds(made, BASE)
    assert build.inputs.catalog == (("falcon", "7.18.0", SHA),)
    names = [facts.name for facts in made.ports.blobs.list("jobs", "")]
    jobs = [
        BuildJob.model_validate_json(made.ports.blobs.read("jobs", name, limit=JOB_LIMIT)) for name in names
    ]
    (job,) = [one for one in jobs if one.stage == "build"]
    assert [(entry.id, entry.url, entry.sha256) for entry in job.catalog] == [("falcon", TOOL["url"], SHA)]
    _with_tool(made, url="https://tools.example.com/mirror/falcon-7.18.0.rpm")
    assert scenes.rest_of(made, BASE) == "current"
    _with_tool(made, version="7.19.0", url="https://tools.example.com/falcon-7.19.0.rpm")
    made.settle()
    assert [reason.kind for reason in scenes.builds(made, BASE)[1].reasons] == [ReasonKind.CATALOG_CHANGED]


@pytest.mark.parametrize("caller", [scenes.principal("secops"), scenes.principal(roles=["Factory.Reader"])])
def test_only_secops_changes_the_platform(caller: Principal) -> None:
    made = scenes.registered({})
    before = scenes.sources(made).find_platform()
    with pytest.raises(PermanentError) as refused:
        made.factory.platforms.put(world.upload(made, "new"), _catalog(), caller)
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert scenes.sources(made).find_platform() == before


def test_every_problem_of_the_platform_is_reported_at_once_and_nothing_is_stored() -> None:
    made = scenes.registered({})
    before = scenes.sources(made).find_platform()
    broken = _catalog(
        {**TOOL, "version": "latest", "sha256": "x"}, {**TOOL, "url": "http://tools.example.com/x"}
    )
    with pytest.raises(InvalidDocument) as refused:
        made.factory.platforms.put(Digest("ab" * 32), broken, ADMIN)
    assert {problem.path for problem in refused.value.problems} >= {
        "bundle",
        "catalog.entries[0].version",
        "catalog.entries[0].sha256",
        "catalog.entries[1].url",
        "catalog.entries[1].id",
    }
    assert scenes.sources(made).find_platform() == before


def test_the_same_platform_twice_changes_nothing() -> None:
    made = scenes.settled({"rhel9-base": None})
    scenes.set_platform(made, "platform")
    assert scenes.rest_of(made, BASE) == "current"
    scenes.set_platform(made, "new steps")
    assert scenes.rest_of(made, BASE) == "StartBuild"
