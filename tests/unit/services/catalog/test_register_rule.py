"""A catalog is put in force only where every file is admitted; a refusal names them all, with the command each."""

import json

import pytest

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.tools import NOT_SCANNED, QUARANTINE, SERVED, ScanAnswer, ScanResult
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.chapters.inputs.brought import CLEAN
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.catalog.test_admission import DAY, bring, digest_of, look
from tests.unit.services.scenes import BASE

VERSIONS = dict.fromkeys(("agent", "runtime", "scanner", "watch"), "1.0.0")


def _put(made: SimulatedWorld, tools: dict[str, str]) -> None:
    catalog = fleet.catalog(tools)
    digest, content = fleet.bundle("platform", catalog=catalog)
    made.factory.registrar.store_bundle(digest, content, ADMIN)
    made.factory.platforms.put(digest, catalog, ADMIN)


def test_every_file_that_is_not_admitted_is_named_with_its_command() -> None:
    made = scenes.registered({})
    bring(made, b"agent 1.0.0")
    look(made)
    refused, waiting = digest_of(b"runtime 1.0.0"), digest_of(b"scanner 1.0.0")
    made.ports.scanner.say(QUARANTINE, str(refused), ScanResult.FOUND, "Malicious")
    made.ports.scanner.say(QUARANTINE, str(waiting), ScanResult.UNKNOWN, "not yet")
    bring(made, b"runtime 1.0.0")
    bring(made, b"scanner 1.0.0")
    look(made)
    before = made.base.records.sources.find_platform()
    with pytest.raises(InvalidDocument) as error:
        _put(made, VERSIONS)
    problems = error.value.problems
    assert [each.path for each in problems] == [f"catalog.entries[{n}].sha256" for n in (1, 2, 3)]
    assert ["is refused: memory: Malicious" in each.message for each in problems] == [True, False, False]
    assert ["is quarantined: memory: not yet" in each.message for each in problems] == [False, True, False]
    assert ["was never brought" in each.message for each in problems] == [False, False, True]
    commands = (
        "imagefactory catalog remove",
        "imagefactory catalog list",
        "imagefactory catalog submit DIR watch",
    )
    assert [command in each.remedy for command, each in zip(commands, problems, strict=True)] == [True] * 3
    assert made.base.records.sources.find_platform() == before
    _put(made, {"agent": "1.0.0"})
    platform = made.base.records.sources.find_platform()
    assert platform is not None
    assert set(platform.catalog) == {"agent"}


def _with_tool() -> SimulatedWorld:
    made = scenes.registered({})
    made.tools = {"agent": "1.0.0"}
    world.put_platform(made, "platform")
    made.register("rhel9-base", None, catalog=["agent"])
    made.register("rhel9-java", "rhel9-base")
    made.drain()
    return made


def test_an_image_whose_tool_is_refused_later_says_so_and_no_other_image_does() -> None:
    made = _with_tool()
    digest = digest_of(b"agent 1.0.0")
    shown = {view.name: view.conditions for view in made.factory.queries.images().images}
    assert shown == {"rhel9-base": (), "rhel9-java": ()}
    made.ports.scanner.say(SERVED, str(digest), ScanResult.FOUND, "Malicious")
    look(made, DAY)
    at = made.ports.clock.now()
    shown = {view.name: view.conditions for view in made.factory.queries.images().images}
    (condition,) = shown["rhel9-base"]
    assert condition in made.factory.queries.image(BASE).image.conditions
    assert (condition.type, condition.reason, condition.since) == (
        ConditionType.CATALOG_NOT_ADMITTED,
        "FileRefused",
        at,
    )
    assert f"agent 1.0.0 ({str(digest)[:12]}) is not admitted" in condition.message
    assert "(memory: Malicious)" in condition.message
    assert shown["rhel9-java"] == ()


def test_an_image_whose_file_is_lost_says_so_until_it_is_brought_again() -> None:
    made = _with_tool()
    digest = digest_of(b"agent 1.0.0")
    for container in (SERVED, QUARANTINE):
        made.ports.blobs.lose(container, str(digest))
    look(made, DAY)
    (condition,) = made.factory.queries.image(BASE).image.conditions
    assert (condition.type, condition.reason) == (ConditionType.CATALOG_NOT_ADMITTED, "FileNotAdmitted")
    bring(made, b"agent 1.0.0")
    look(made)
    assert made.factory.queries.image(BASE).image.conditions == ()


def test_a_file_without_a_record_is_named_too() -> None:
    made = _with_tool()
    digest = digest_of(b"agent 1.0.0")
    stored = made.base.records.tools.find(digest)
    assert stored is not None
    made.base.records.tools.delete(digest, etag=stored.etag)
    (condition,) = made.factory.queries.image(BASE).image.conditions
    assert "agent 1.0.0" in condition.message
    assert condition.since is None


@pytest.mark.parametrize(
    ("usual", "said"),
    [(CLEAN, "memory"), (ScanAnswer(result=ScanResult.ELSEWHERE, scanner="x"), NOT_SCANNED)],
    ids=["scanned", "elsewhere"],
)
def test_the_statement_of_a_version_says_who_scanned_its_tools(usual: ScanAnswer, said: str) -> None:
    made = scenes.registered({})
    made.ports.scanner.usual = usual
    made.tools = {"agent": "1.0.0"}
    world.put_platform(made, "platform")
    made.register("rhel9-base", None, catalog=["agent"])
    made.drain()
    (build,) = scenes.builds(made, BASE)
    content = made.ports.blobs.read("provenance", f"{build.provenance}.json", limit=1 << 20)
    listed = json.loads(content)["predicate"]["buildDefinition"]["resolvedDependencies"]
    (tool,) = [each for each in listed if each["uri"].startswith("imagefactory:catalog/")]
    assert tool == {
        "uri": "imagefactory:catalog/agent@1.0.0",
        "digest": {"sha256": str(digest_of(b"agent 1.0.0"))},
        "annotations": {"scannedBy": said},
    }


def test_an_admission_wakes_the_images_that_name_the_tool() -> None:
    made = _with_tool()
    digest = digest_of(b"agent 1.0.0")
    for container in (SERVED, QUARANTINE):
        made.ports.blobs.lose(container, str(digest))
    look(made, DAY)
    made.factory.requests.request(BASE, ADMIN, "because", "key")
    made.drain()
    assert len(scenes.builds(made, BASE)) == 1
    assert scenes.rest_of(made, BASE) == "not-admitted"
    bring(made, b"agent 1.0.0")
    look(made)
    made.drain()
    assert [build.is_finished for build in scenes.builds(made, BASE)] == [True, True]
