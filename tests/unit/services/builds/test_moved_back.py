"""An image that was moved to another parent and back, while a build below the other parent was on its way."""

import pytest

from pipeline_core.domain import wanted
from pipeline_core.domain.builds import Result
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import OriginVersion, ParentVersion
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

OTHER, MOVED = ImageName("rhel9-other"), ImageName("payments-api")
FLEET = {str(BASE): None, str(OTHER): None, str(MOVED): str(BASE)}


def _moved_and_back() -> SimulatedWorld:
    """A build below the other parent runs while the image is moved back. Its former parent has a newer version."""
    made = scenes.settled(FLEET)
    before = _current(made, BASE)
    made.register(str(BASE), None, text="newer")
    made.register(str(MOVED), str(OTHER))
    scenes.until(made, lambda: _current(made, BASE) != before)
    assert not scenes.active(made, MOVED).value.is_finished
    made.register(str(MOVED), str(BASE))
    made.settle()
    return made


def _current(made: SimulatedWorld, image: ImageName) -> str:
    current = scenes.head(made, image).current
    assert current is not None
    return str(current.version)


def _origins(made: SimulatedWorld) -> list[tuple[str, Result | None]]:
    """The parent and the result of each build, oldest first."""
    found = []
    for build in scenes.builds(made, MOVED):
        assert isinstance(build.inputs.origin, ParentVersion)
        found.append((str(build.inputs.origin.image), build.result))
    return found


def test_its_version_stays_out_of_latest_and_the_next_one_is_from_the_former_parent() -> None:
    made = _moved_and_back()
    assert _origins(made) == [
        (str(BASE), Result.SUCCEEDED),
        (str(OTHER), Result.WITHDRAWN),
        (str(BASE), Result.SUCCEEDED),
    ]
    assert made.safety.broken == []
    (kept,) = [build for build in scenes.builds(made, MOVED) if build.result is Result.WITHDRAWN]
    assert kept.version is not None  # a spare one, for the day on which the image is moved again
    assert str(kept.version) != _current(made, MOVED)


def test_the_judge_of_the_simulation_sees_it_where_the_rule_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(head: ImageHead, built: OriginVersion) -> str:
        return ""

    monkeypatch.setattr(wanted, "_moved_back", never)
    made = _moved_and_back()
    assert [line for line in made.safety.broken if line.startswith(f"(21) {MOVED} ")] != []
