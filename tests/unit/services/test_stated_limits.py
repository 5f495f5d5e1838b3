"""What the documents allow fits into the rows: the largest catalog, and a build with the largest of everything."""

import hashlib
from dataclasses import replace
from typing import Any

from pipeline_core.adapters.limits import check_writes
from pipeline_core.domain.builds import Result
from pipeline_core.domain.verdicts import EVIDENCE_LIMIT
from pipeline_core.guard import catalog
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.state import images as records
from pipeline_core.wire.image_yaml import model
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

TOOLS_OF_AN_IMAGE = 50  # `spec.build.catalog`
HOST = "tools.factory.corp"


def _tool(number: int, release: int) -> dict[str, str]:
    """A tool with the longest id, version and address."""
    tool = f"t{number:03d}".ljust(63, "x")
    version = f"{release}.".ljust(64, "9")
    file = f"{number:03d}-{release}-".ljust(255, "a")  # as long as a name of a file may be
    url = f"https://{HOST}/".ljust(2000 - len(file) - 1, "a") + f"/{file}"
    return {"id": tool, "version": version, "url": url, "sha256": hashlib.sha256(url.encode()).hexdigest()}


def _put(made: SimulatedWorld, release: int) -> None:
    entries = [_tool(number, release) for number in range(catalog.ENTRY_LIMIT)]
    document: dict[str, Any] = {"hosts": [HOST], "entries": entries}
    assert catalog.check_catalog(document) == ()
    scenes.admit(made, document)
    made.factory.platforms.put(world.upload(made, "platform"), document, ADMIN)


def test_the_largest_catalog_is_put_in_force() -> None:
    """r25 B: about 130 typical tools fitted, of 200."""
    made = scenes.registered({})
    _put(made, 1)
    platform = made.base.records.sources.find_platform()
    assert platform is not None
    assert len(platform.catalog) == catalog.ENTRY_LIMIT
    assert platform.urls[_tool(199, 1)["id"]] == _tool(199, 1)["url"]
    row = made.ports.tables.find("index", "platform", "current")
    assert row is not None
    check_writes("index", [TableWrite(verb=WriteKind.REPLACE, row=row)])


def test_a_build_with_the_largest_of_everything_starts_ends_and_is_in_the_history() -> None:
    """r25 D: it started, and its judged end could not be written."""
    made = scenes.registered({})
    _put(made, 1)
    assert model.Build.model_fields["catalog"].metadata[0].max_length == TOOLS_OF_AN_IMAGE
    document = fleet.document("rhel9-base", None)
    document["spec"]["build"]["catalog"] = [_tool(number, 1)["id"] for number in range(TOOLS_OF_AN_IMAGE)]
    bundle = world.upload(made, "content")
    made.factory.registrar.register(BASE, document, bundle, ADMIN, expected=None, create_only=True)
    made.settle()
    _put(made, 2)
    made.settle()
    first, second = scenes.builds(made, BASE)
    assert (first.result, second.result) == (Result.SUCCEEDED, Result.SUCCEEDED)
    assert len(second.inputs.catalog) == TOOLS_OF_AN_IMAGE
    assert second.verdicts
    assert made.poisoned == []
    stored = scenes.stored(made, second.id)
    longest = tuple(replace(each, evidence="x" * EVIDENCE_LIMIT) for each in second.verdicts * 4)
    made.base.records.images.commit([records.put_build(replace(second, verdicts=longest), etag=stored.etag)])
    row = made.ports.tables.find("images", str(BASE), f"build:{second.id}")
    assert row is not None
    assert "value2" in row.cells
    assert scenes.stored(made, second.id).value.verdicts == longest
    shown = made.factory.queries.image(BASE)
    assert [build.id for build in shown.builds] == [str(second.id), str(first.id)]
