"""Large files are given out in parts: memory does not grow with the file, and a changed file is not given out."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.domain.attempts import LOG
from pipeline_core.domain.builds import Build
from pipeline_core.domain.byte_ranges import ByteRange, UnsatisfiableRange
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.services.views import evidence
from pipeline_core.services.views.evidence import KeptFile, Place
from simulation.world import SimulatedWorld
from tests.unit.services import kept, scenes
from tests.unit.services.scenes import BASE

VERIFY = Place(stage="verify", attempt=1)
PART = 1000
NAME = "report.html.gz"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> SimulatedWorld:
    monkeypatch.setattr(evidence, "PART", PART)
    return scenes.settled({"rhel9-base": None})


@pytest.fixture
def build(made: SimulatedWorld) -> Build:
    (found,) = scenes.builds(made, BASE)
    return found


@dataclass(slots=True)
class Counted:
    """Blobs that note how many bytes of the one file each read asked for at most."""

    inner: MemoryBlobs
    asked: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        if name.endswith((NAME, LOG)):
            self.asked.append(limit)
        return self.inner.read(container, name, limit=limit)

    def read_part(self, container: str, name: str, *, first: int, length: int) -> bytes:
        self.asked.append(length)
        return self.inner.read_part(container, name, first=first, length=length)


def _parts(made: SimulatedWorld, build: Build, name: str, place: Place = VERIFY) -> list[KeptFile]:
    """Every part, as a reader asks for them."""
    found: list[KeptFile] = []
    while not found or found[-1].first + len(found[-1].content) < (found[-1].size or 0):
        first = sum(len(each.content) for each in found)
        found.append(made.factory.evidence.read(build.id, place, name, ByteRange(first=first)))
    return found


@pytest.mark.parametrize("size", [PART + 1, 5 * PART, 30 * PART + 7])
def test_no_read_of_a_large_file_is_larger_than_a_part(made: SimulatedWorld, build: Build, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    kept.keep(made, build, {NAME: content})
    counted = Counted(made.ports.blobs)
    scenes.rewired(made, blobs=counted)
    parts = _parts(made, build, NAME)
    assert b"".join(part.content for part in parts) == content
    assert {part.size for part in parts} == {size}
    assert max(map(len, (part.content for part in parts))) == PART
    assert max(counted.asked) == PART
    # The file is read once to be checked, and once to be given out.
    assert len(counted.asked) <= 2 * (size // PART + 2)


def test_a_log_is_read_in_parts_while_it_grows(made: SimulatedWorld, build: Build) -> None:
    place = Place(stage="build", attempt=1)
    kept.overwrite(made, build, f"build-1/{LOG}", b"a" * (2 * PART))
    counted = Counted(made.ports.blobs)
    scenes.rewired(made, blobs=counted)
    first = made.factory.evidence.read(build.id, place, LOG, ByteRange(first=0))
    assert (len(first.content), first.size, first.sha256) == (PART, 2 * PART, None)
    made.ports.blobs.append("builds", f"{build.id}/build-1/{LOG}", b"b")
    last = made.factory.evidence.read(build.id, place, LOG, ByteRange(first=2 * PART))
    assert (last.content, last.first, last.size) == (b"b", 2 * PART, 2 * PART + 1)
    assert max(counted.asked) == PART


def test_the_whole_of_a_large_file_is_refused_with_what_to_do(made: SimulatedWorld, build: Build) -> None:
    kept.keep(made, build, {NAME: b"x" * (PART + 1)})
    kept.overwrite(made, build, f"build-1/{LOG}", b"a" * (PART + 1))
    for place, name in ((VERIFY, NAME), (Place(stage="build", attempt=1), LOG)):
        with pytest.raises(PermanentError, match="bytes=0-999") as refused:
            made.factory.evidence.read(build.id, place, name)
        assert refused.value.error_class is ErrorClass.POLICY


@pytest.mark.parametrize(
    "changed",
    [b"y" * (3 * PART), b"x" * (3 * PART - 1), b"x" * (3 * PART + 1), b"x" * (2 * PART) + b"y" * PART],
)
def test_a_changed_file_is_not_given_out_from_its_beginning(
    made: SimulatedWorld, build: Build, changed: bytes
) -> None:
    kept.keep(made, build, {NAME: b"x" * (3 * PART)})
    kept.overwrite(made, build, f"verify-1/{NAME}", changed)
    with pytest.raises(PermanentError, match="its digest differs"):
        made.factory.evidence.read(build.id, VERIFY, NAME, ByteRange(first=0))
    assert scenes.logged(made, "evidence-changed", file=NAME)


def test_a_later_part_that_is_too_short_shows_the_change(made: SimulatedWorld, build: Build) -> None:
    kept.keep(made, build, {NAME: b"x" * (3 * PART)})
    kept.overwrite(made, build, f"verify-1/{NAME}", b"x" * (2 * PART + 1))
    with pytest.raises(PermanentError, match="its digest differs"):
        made.factory.evidence.read(build.id, VERIFY, NAME, ByteRange(first=2 * PART))


def test_a_part_of_a_small_file_is_cut_after_the_check(made: SimulatedWorld, build: Build) -> None:
    kept.keep(made, build, {NAME: b"0123456789"})
    part = made.factory.evidence.read(build.id, VERIFY, NAME, ByteRange(first=2, last=4))
    assert (part.content, part.first, part.size) == (b"234", 2, 10)
    report = made.factory.evidence.read(build.id, VERIFY, "result.json", ByteRange(last=1))
    assert (report.content, report.first) == (b"}", (report.size or 0) - 1)
    with pytest.raises(UnsatisfiableRange):
        made.factory.evidence.read(build.id, VERIFY, NAME, ByteRange(first=10))
