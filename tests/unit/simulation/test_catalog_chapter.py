"""The chapter `catalog` can fail: the world is broken behind the services' backs, and the violation is named."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_core.ports import NewContainerGroup, Row
from pipeline_core.services.images.platform import Platforms
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from simulation.chapters.inputs.catalog import CatalogChanges
from simulation.world import SimulatedWorld
from tests.unit.simulation import broken
from tests.unit.simulation.broken import BASE, JAVA, find, rewrite, write

pytestmark = pytest.mark.slow  # whole runs of the simulated factory


def _told(seed: int = 7) -> tuple[SimulatedWorld, CatalogChanges]:
    """The parent names one tool and its child another one too; both are current."""
    made, chapter = broken.told(CatalogChanges, seed=seed)
    assert [chapter.document(str(name))["catalog"] for name in (BASE, JAVA)] == [
        ["agent"],
        ["agent", "scanner"],
    ]
    assert (chapter.violations(), made.findings) == ([], [])
    return made, chapter


def _another_catalog(made: SimulatedWorld) -> None:
    row = find(made, "index", "platform", "current")
    rewrite(made, "index", row, '"1.0.0"', '"1.0.1"')


def _planned_with_what_is_gone(made: SimulatedWorld) -> None:
    row = find(made, "images", str(BASE), "build:")
    build = row.key.removeprefix("build:")
    text = str(row.cells["value"]).replace('"1.0.0"', '"0.9.0"').replace(build, f"{build[:-1]}2")
    write(made, "images", Row(partition=row.partition, key=f"{row.key[:-1]}2", cells={"value": text}))


def _another_file(made: SimulatedWorld) -> None:
    blobs = made.ports.blobs
    for facts in list(blobs.list("jobs", "")):
        digest = facts.name.removesuffix(".json")
        job = BuildJob.from_wire(blobs.read("jobs", facts.name, limit=JOB_LIMIT), digest=digest)
        if not job.catalog:
            continue
        moved = replace_url(job, "https://tools.factory.corp/agent-2.rpm")
        name = hashlib.sha256(moved).hexdigest()
        blobs.create("jobs", f"{name}.json", moved, media_type="application/json")
        new = NewContainerGroup(name="again", environment={"IF_JOB": name}, tags={})
        made.faulty.containers.create_group(new)
        return


def replace_url(job: BuildJob, url: str) -> bytes:
    """The job with another address of its first tool."""
    first, *others = job.catalog
    changed = first.model_copy(update={"url": url})
    return job.model_copy(update={"catalog": (changed, *others)}).to_wire()


CASES: dict[str, tuple[Callable[[SimulatedWorld], None], str]] = {
    "built with other tools than those in force": (
        _another_catalog,
        r"\(29\) rhel9-base@9\.20261121\.1 was built with agent 1\.0\.0, in force is agent 1\.0\.1",
    ),
    "planned with a tool that is gone": (
        _planned_with_what_is_gone,
        r"\(29\) rhel9-base\.\S+\.2 is planned with \w+ 0\.9\.0, which is not in force",
    ),
    "another file": (_another_file, r"\(29\) the job of again fetches \w+ 1\.0\.0 from .* another file"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_tool_is_named(name: str) -> None:
    breaks, named = CASES[name]
    made, chapter = _told()
    breaks(made)
    found = [*made.findings, *chapter.violations()]
    assert any(re.fullmatch(named, line) for line in found), found


def test_a_tool_that_leaves_although_images_name_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _told()
    monkeypatch.setattr(Platforms, "_used", lambda *given: {})
    for _ in range(10):
        chapter._leave()
    assert any(re.match(r"\(30\) \w+ left the catalog, although rhel9-", line) for line in made.findings)


def test_a_tool_that_must_stay_although_nobody_names_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _told()
    monkeypatch.setattr(
        Platforms, "_used", lambda platforms, old, tools: {tool: [BASE] for tool in old.catalog}
    )
    for _ in range(10):
        chapter._leave()
    assert any("had to stay in the catalog, although no image" in line for line in made.findings)


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("announce", "(30) the journal of rhel9-base tells 0 times that"),
        ("_used", "(30) rhel9-base does not say since when"),
    ],
)
def test_an_image_that_does_not_say_which_tool_is_gone_is_named(
    method: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, chapter = _told()
    instead = {"announce": lambda platforms, run: 0, "_used": lambda *given: {}}
    monkeypatch.setattr(Platforms, method, instead[method])
    chapter._watch_a_tool_leave("agent")
    assert any(line.startswith(named) for line in made.findings), made.findings


def test_a_build_of_an_image_whose_tool_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _told()
    later = made.ports.clock.now() + timedelta(minutes=20)
    planned = {"rhel9-base.x.9": (str(BASE), later)}
    monkeypatch.setattr(SimulatedWorld, "wake", lambda world: chapter._planned.update(planned))
    chapter._watch_a_tool_leave("agent")
    assert made.findings == ["(30) rhel9-base.x.9 was planned, although agent is gone"]


def test_the_chapter_ends_with_every_image_current_and_no_tool_missed() -> None:
    for seed in (5, 7):  # SecOps put the tool back, or the team lets go of it
        made, chapter = broken.told(CatalogChanges, seed=seed)
        chapter.end()
        made.settle()
        assert [*made.findings, *chapter.violations()] == []
        heads = [made.base.records.images.get_head(name).value for name in (BASE, JAVA)]
        assert all(set(head.registration.catalog) <= made.tools.keys() for head in heads)
