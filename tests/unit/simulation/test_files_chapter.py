"""The chapter `tool-files` can fail: the world is broken behind the services' backs, and the violation is named."""

import pytest

from pipeline_core.domain.tools import ScanResult
from pipeline_core.state.catalog.tools import ToolStore
from simulation.chapters.inputs.files import ToolFiles
from simulation.world import SimulatedWorld
from tests.unit.simulation import broken
from tests.unit.simulation.broken import BASE

pytestmark = pytest.mark.slow  # whole runs of the simulated factory


def _told(seed: int = 3) -> tuple[SimulatedWorld, ToolFiles]:
    made, chapter = broken.told(ToolFiles, seed=seed)
    assert chapter.document(str(BASE))["catalog"]
    assert (list(chapter.violations()), made.findings) == ([], [])
    return made, chapter


def _tool_of_base(chapter: ToolFiles) -> str:
    tool: str = chapter.document(str(BASE))["catalog"][0]
    return tool


def test_a_job_with_a_file_that_is_not_admitted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _told()
    monkeypatch.setattr(ToolStore, "missing", lambda store, digests: ())
    chapter._watch_a_refusal(_tool_of_base(chapter))
    assert any("(49) the job of" in line and "is not admitted" in line for line in made.findings)


def test_an_image_that_does_not_say_that_its_file_is_refused_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, chapter = _told()
    monkeypatch.setattr("pipeline_core.services.views.queries._of_files", lambda *given: ())
    tool = _tool_of_base(chapter)
    chapter._watch_a_refusal(tool)
    assert f"(49) {BASE} does not say that the file of {tool} is refused" in made.findings


def test_a_file_that_no_scanner_has_seen_and_that_is_in_force_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, chapter = _told()
    monkeypatch.setattr(ScanResult, "lets_in", property(lambda result: True))
    chapter._let_wait()
    assert any("is in force, and no scanner has seen its file" in line for line in made.findings)


def test_a_waiting_image_goes_on_by_itself_and_the_chapter_ends_with_every_image_current() -> None:
    made, chapter = _told()
    chapter.end()
    made.settle()
    assert made.findings == []
    views = made.factory.queries.images().images
    assert {view.state for view in views} == {"current"}
    assert not any(view.conditions for view in views)
