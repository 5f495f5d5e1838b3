"""The chapter `edits` can fail: a failure that limits mend, and a version of an older `verify`, are named."""

import re

import pytest

from pipeline_core.domain import claims, conditions, wishes
from simulation.chapters.inputs.edits import DefinitionEdits
from simulation.world import SimulatedWorld
from tests.unit.simulation import broken
from tests.unit.simulation.broken import BASE

pytestmark = pytest.mark.slow  # whole runs of the simulated factory


def _rested(*, rebuilds: bool) -> tuple[SimulatedWorld, DefinitionEdits]:
    made, chapter = broken.told(DefinitionEdits, seed=1)
    chapter._rebuilds[str(BASE)] = rebuilds
    chapter.story.register(str(BASE))
    made.settle()
    assert (chapter.violations(), made.findings) == ([], [])
    return made, chapter


def _outgrown() -> tuple[SimulatedWorld, DefinitionEdits]:
    """The base has failed for want of more."""
    made, chapter = _rested(rebuilds=False)
    chapter._needs[str(BASE)] = 1
    made.register(str(BASE), None, text="grown", **chapter.document(str(BASE)))
    chapter.story.texts[str(BASE)] = "grown"
    made.settle()
    assert len(chapter._short) == 1
    return made, chapter


def test_a_failure_that_raised_limits_do_not_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _outgrown()
    read = claims.read_claim
    monkeypatch.setattr(claims, "read_claim", lambda *given: read(*given[:4]))
    chapter.end()
    assert re.fullmatch(r"\(34\) rhel9-base\.\S+ blocks rhel9-base, although .*", made.findings[0])


def test_a_failure_that_raised_limits_mend_is_not_named() -> None:
    made, chapter = _outgrown()
    chapter.end()
    made.settle()
    assert [*made.findings, *chapter.violations()] == []
    assert made.safety.builds.popitem()[1].result == "succeeded"


def test_a_version_that_an_older_verify_judged_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _rested(rebuilds=True)
    monkeypatch.setattr(wishes, "to_be_judged", lambda head, **given: head)
    chapter._judge_by(str(BASE), 1)
    made.settle()
    (line,) = chapter.violations()
    assert re.fullmatch(r"\(35\) rhel9-base@\S+ was not judged by its `verify` of now", line)


def test_an_image_that_hides_that_an_older_verify_judged_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, chapter = _rested(rebuilds=False)
    chapter._judge_by(str(BASE), 1)
    made.settle()
    assert chapter.violations() == []
    monkeypatch.setattr(conditions, "_judged_before", lambda head: iter(()))
    (line,) = chapter.violations()
    assert line == "(35) rhel9-base does not say that its version was judged by an older `verify`"
