"""An attempt that is lost without a report: its failure names the platform's cause first."""

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.ports import GroupState
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}


def _running() -> tuple[SimulatedWorld, Build, str]:
    """A world whose one build has a container that runs."""
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    made.platform.next_end()
    scenes.lose(made)
    return made, build, attempts.group_of(build)


def _now(made: SimulatedWorld, build: Build) -> Build:
    return scenes.stored(made, build.id).value


def test_the_failure_of_an_attempt_names_the_platforms_cause_first() -> None:
    made, build, name = _running()
    made.ports.containers.set_state(
        name, GroupState.FAILED, exit_code=137, detail="exit code 137 | OOMKilled"
    )
    scenes.step(made, build)
    scenes.step(made, build)
    after = _now(made, build)
    assert after.failure is not None
    assert after.failure.error_class is ErrorClass.EVICTION
    assert after.failure.message.startswith("exit code 137 | OOMKilled: the container ended")
    assert "\n" not in after.failure.message


@pytest.mark.parametrize("detail", ["exit code 3", "exit code 3 | OOMKilled"])
def test_a_container_whose_token_has_ended_is_a_failure_of_the_platform_in_plain_words(detail: str) -> None:
    made, build, name = _running()
    made.ports.containers.set_state(name, GroupState.FAILED, exit_code=3, detail=detail)
    scenes.step(made, build)
    scenes.step(made, build)
    after = _now(made, build)
    assert after.failure is not None
    assert after.failure.error_class is ErrorClass.TOKEN
    assert (after.failure.who, after.failure.is_of_team) == (Owner.PLATFORM, False)
    assert after.failure.message.startswith(
        "the container's token for its files had ended before it could report"
    )
    assert after.attempt == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"text": 3}', b'{"text": "a\\n b"}', b"x" * 20_000])
def test_a_reason_that_the_builder_may_have_written_does_no_harm(content: bytes) -> None:
    """A builder of an older release can write to every folder, so the note of the reason may be anybody's."""
    made, build, name = _running()
    note = f"{attempts.folder_of(build)}/given-up.json"
    made.ports.blobs.create("builds", note, content, media_type="application/json")
    made.ports.containers.set_state(name, GroupState.FAILED, exit_code=1, detail="exit code 1")
    scenes.step(made, build)
    scenes.step(made, build)
    after = _now(made, build)
    assert after.failure is not None
    said = after.failure.message.partition("the container ended")[0]
    assert said == ("a b: " if b"a" in content else "")


@pytest.mark.parametrize(
    ("detail", "error_class"),
    [
        ("", ErrorClass.CAPACITY),
        ('Failed: Failed to pull image "builder": not found', ErrorClass.REGISTRY),
        ("Failed: InaccessibleImage: The image 'builder' is not accessible", ErrorClass.REGISTRY),
        ("Failed: SubnetIsFull: Subnet snet does not have enough capacity", ErrorClass.QUOTA),
        ("Failed: FailedToRetrieveManagedIdentityToken: no token", ErrorClass.TOKEN),
    ],
)
def test_a_group_that_cannot_begin_says_why_and_has_the_class_of_the_platforms_code(
    detail: str, error_class: ErrorClass
) -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.step(made, build)
    (name,) = made.ports.containers.names()
    made.ports.containers.set_state(name, GroupState.FAILED, detail=detail)
    scenes.step(made, build)
    scenes.step(made, build)
    after = _now(made, build)
    assert after.failure is not None
    assert after.failure.error_class is error_class
    text = "the container group never began to run"
    assert after.failure.message == (f"{detail}: {text}" if detail else text)
