"""What platform steps would rebuild, before they are registered: counts, waves, measured time, and no change."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.services.views.platform_plans import PlatformPlan
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import policy_documents, scenes
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS, SIX

NEW = Digest("cd" * 32)
NO_TOOLS: dict[str, Any] = {"hosts": [fleet.HOST], "entries": []}


def _plan(made: SimulatedWorld, *canaries: ImageName, bundle: Digest = NEW) -> PlatformPlan:
    return made.factory.platform_plans.plan(bundle, NO_TOOLS, ADMIN, canaries=canaries)


def test_a_plan_is_what_the_change_then_does() -> None:
    made = scenes.settled(slots=2)
    lengths = {name: scenes.head(made, name).build_seconds for name in SIX}
    rows = {table: list(made.ports.tables.rows(table)) for table in ("images", "index", "capacity")}
    digest, _ = fleet.bundle("new steps")
    plan = _plan(made, bundle=digest)
    assert rows == {table: list(made.ports.tables.rows(table)) for table in rows}
    assert made.ports.queues.next_visible() is None
    assert (plan.registered, plan.rollout.images, plan.rollout.waves) == (6, 6, (1, 3, 2))
    assert (plan.stale, plan.running, plan.resting) == (0, 0, {})
    assert (plan.rollout.measured, plan.slots, plan.busy) == (6, 2, 0)
    assert plan.rollout.machine_time == timedelta(seconds=sum(lengths.values()))
    began = made.ports.clock.now()
    scenes.set_platform(made, "new steps")
    made.drain()
    took = made.ports.clock.now() - began
    assert {len(scenes.builds(made, name)) for name in SIX} == {2}
    assert plan.rollout.elapsed is not None
    assert abs(took - plan.rollout.elapsed) <= 0.25 * took, (took, plan.rollout.elapsed)


def test_a_trial_is_planned_for_its_canaries_alone() -> None:
    made = scenes.settled()
    assert _plan(made, JAVA, PAYMENTS).rollout.waves == (1, 1)
    with pytest.raises(InvalidDocument, match="not these: payments-api"):
        _plan(made, JAVA)


@pytest.mark.parametrize(
    ("canaries", "waves"),
    [(("rhel9-canary", "java-canary"), (1, 1)), (("rhel9-java",), (2, 2))],
    ids=["canaries of their own are current", "a canary below others follows its parent"],
)
def test_a_promotion_is_planned_as_it_goes(canaries: tuple[str, ...], waves: tuple[int, ...]) -> None:
    made = scenes.settled(
        {"rhel9-base": None, "rhel9-java": "rhel9-base", "rhel9-canary": None, "java-canary": "rhel9-canary"}
    )
    digest = world.upload(made, "new")
    made.factory.platforms.put(digest, NO_TOOLS, ADMIN, canaries=tuple(map(ImageName, canaries)))
    made.settle()
    before = sum(made.safety.publishes.values())
    plan = _plan(made, bundle=digest)
    made.factory.platforms.promote(digest, ADMIN)
    made.settle()
    assert (plan.rollout.waves, plan.resting) == (waves, {})
    assert sum(made.safety.publishes.values()) - before == plan.rollout.images


def test_what_is_stale_already_is_told_and_what_rests_is_counted_by_its_reason() -> None:
    made = scenes.settled()
    made.register("payments-api", "rhel9-java", suspend=True)
    made.register("ml-worker", "rhel9-python", text="edited")
    plan = _plan(made)
    assert (plan.rollout.images, plan.stale, plan.resting) == (5, 1, {"suspended": 1})


def test_a_build_of_these_very_inputs_is_told_and_is_no_build_of_the_change() -> None:
    made = scenes.settled()
    digest, _ = fleet.bundle("new steps")
    scenes.set_platform(made, "new steps")
    scenes.in_phase(made, BASE, Phase.BUILDING)
    plan = _plan(made, bundle=digest)
    assert (plan.running, plan.rollout.waves, plan.stale) == (1, (3, 2), 5)
    another = _plan(made)
    assert (another.running, another.rollout.waves, another.stale) == (0, (1, 3, 2), 5)


def test_steps_that_come_back_are_counted_as_builds_although_their_versions_are_used_again() -> None:
    made = scenes.settled({"rhel9-base": None})
    former, _ = fleet.bundle("platform")
    scenes.set_platform(made, "new steps")
    made.settle()
    plan = _plan(made, bundle=former)
    assert plan.rollout.images == 1
    scenes.set_platform(made, "platform")
    made.settle()
    assert len(scenes.builds(made, BASE)) == 2, "the version of the former steps is current again"


def test_images_that_name_a_tool_which_is_gone_are_not_planned() -> None:
    made = scenes.registered({})
    tool = {
        "id": "falcon",
        "version": "7.1",
        "url": f"https://{fleet.HOST}/falcon-7.1.rpm",
        "sha256": "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210",
    }
    tools = {"hosts": [fleet.HOST], "entries": [tool]}
    scenes.admit(made, tools)
    made.factory.platforms.put(world.upload(made, "platform"), tools, ADMIN)
    document = fleet.document("rhel9-base", None, catalog=("falcon",))
    bundle = world.upload(made, "content")
    made.factory.registrar.register(BASE, document, bundle, ADMIN, expected=None, create_only=True)
    made.drain()
    plan = _plan(made)
    assert (plan.without_tool, plan.rollout.images, plan.rollout.elapsed) == (1, 0, None)
    (refusal,) = plan.refusals
    assert "has no 'falcon', which rhel9-base name" in f"{refusal.path} {refusal.message}"


def test_a_plan_tells_what_a_registration_would_be_refused_for() -> None:
    made = scenes.registered({})
    entry = {
        "id": "falcon",
        "version": "7.1",
        "url": f"https://{fleet.HOST}/falcon-7.1.rpm",
        "sha256": "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210",
    }
    catalog = {"hosts": [fleet.HOST], "entries": [entry]}
    digest, content = fleet.bundle("new", catalog=catalog)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    policy_documents.put(made, catalog=["goss"])
    plan = made.factory.platform_plans.plan(digest, catalog, ADMIN)
    with pytest.raises(InvalidDocument) as refused:
        made.factory.platforms.put(digest, catalog, ADMIN)
    assert plan.refusals == refused.value.problems
    assert [each.path for each in plan.refusals] == ["catalog.entries[0].id", "catalog.entries[0].sha256"]
    scenes.admit(made, catalog)
    made.factory.platforms.put(world.upload(made, "platform"), NO_TOOLS, ADMIN)
    assert [each.path for each in made.factory.platform_plans.plan(digest, catalog, ADMIN).refusals] == [
        "catalog.entries[0].id"
    ]


def test_an_image_that_was_never_built_has_no_length() -> None:
    made = scenes.registered()
    plan = _plan(made)
    assert (plan.rollout.images, plan.stale, plan.rollout.measured) == (1, 1, 0)
    assert plan.resting == {"unknown": 5}
    assert (plan.rollout.machine_time, plan.rollout.elapsed) == (None, None)


def test_the_reads_of_a_plan_do_not_grow_with_the_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for size in (2, 20):
        made = scenes.settled({f"image-{number}": "image-0" if number else None for number in range(size)})
        reads: list[str] = []
        for name in ("find", "scan"):
            monkeypatch.setattr(MemoryTables, name, _counted(getattr(MemoryTables, name), reads))
        _plan(made)
        monkeypatch.undo()
        counts.append(len(reads))
    assert counts[0] == counts[1] <= 8, counts


def _counted(inner: Callable[..., Any], reads: list[str]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        reads.append(inner.__name__)
        return inner(*given, **named)

    return call


def test_a_wrong_catalog_and_a_stranger_are_refused() -> None:
    made = scenes.registered({})
    with pytest.raises(InvalidDocument):
        made.factory.platform_plans.plan(NEW, {"entries": "none"}, ADMIN)
    with pytest.raises(PermanentError) as refused:
        made.factory.platform_plans.plan(NEW, NO_TOOLS, scenes.principal("secops"))
    assert refused.value.error_class is ErrorClass.PERMISSION
