"""Platform steps: SecOps only, every problem at once, and each image becomes stale by a change."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError, TransientError, UnreadableRow
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.reasons import ReasonKind
from pipeline_core.ports import Principal, TableWrite
from pipeline_core.services.images import platform
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

SHA = "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210"
TOOL = {
    "id": "falcon",
    "version": "7.18.0",
    "url": "https://tools.factory.corp/falcon-7.18.0.rpm",
    "sha256": SHA,
}


def _catalog(*entries: dict[str, str]) -> dict[str, Any]:
    return {"hosts": ["tools.factory.corp"], "entries": list(entries)}


def _with_tool(made: SimulatedWorld, **changes: str) -> None:
    digest = world.upload(made, "platform")
    scenes.admit(made, _catalog(TOOL))
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
    _with_tool(made, url="https://tools.factory.corp/mirror/falcon-7.18.0.rpm")
    assert scenes.rest_of(made, BASE) == "current"
    _with_tool(made, version="7.19.0", url="https://tools.factory.corp/falcon-7.19.0.rpm")
    made.settle()
    assert [reason.kind for reason in scenes.builds(made, BASE)[1].reasons] == [ReasonKind.CATALOG_CHANGED]


def _put_bundled(made: SimulatedWorld, text: str, *tools: dict[str, str]) -> None:
    """As `platform register` does: the bundle of platform steps holds the catalog."""
    catalog = _catalog(*tools)
    digest, content = fleet.bundle(text, catalog=catalog)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    scenes.admit(made, catalog)
    made.factory.platforms.put(digest, catalog, ADMIN, drop_used=True)


def _address_of_next_attempt(made: SimulatedWorld, image: ImageName) -> str:
    """Where the next attempt of the image's build fetches its only tool from."""
    (build,) = scenes.builds(made, image)
    digest = made.parts.builds.containers.launcher.prepare(
        build, "again", made.ports.clock.now()
    ).environment["IF_JOB"]
    content = made.ports.blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT)
    (tool,) = BuildJob.from_wire(content, digest=digest).catalog
    return tool.url


def _building_with_tool(put: Callable[[SimulatedWorld], None]) -> SimulatedWorld:
    made = scenes.registered({})
    put(made)
    _uses(made, "rhel9-base", None, "falcon")
    while not any(build.phase == "building" for build in made.safety.builds.values()):
        made.run_until(made.ports.clock.now() + timedelta(seconds=30))
    return made


@pytest.mark.parametrize(
    "later", [(), ({**TOOL, "version": "7.19.0", "url": TOOL["url"][:-10] + "7.19.0.rpm"},)]
)
def test_a_build_fetches_the_file_that_it_was_planned_with_though_the_catalog_has_moved_on(
    later: Sequence[dict[str, str]],
) -> None:
    made = _building_with_tool(lambda made: _put_bundled(made, "one", TOOL))
    _put_bundled(made, "two", *later)
    assert _address_of_next_attempt(made, BASE) == TOOL["url"]


def test_a_build_fetches_its_tool_from_a_mirror_that_was_registered_since() -> None:
    made = _building_with_tool(lambda made: _put_bundled(made, "one", TOOL))
    mirror = "https://tools.factory.corp/mirror/falcon-7.18.0.rpm"
    _put_bundled(made, "two", {**TOOL, "url": mirror})
    assert _address_of_next_attempt(made, BASE) == mirror


def test_a_tool_that_no_catalog_has_any_more_is_not_the_teams_fault() -> None:
    made = _building_with_tool(_with_tool)  # the bundle of these platform steps holds no catalog
    _drop(made, drop_used=True)
    with pytest.raises(PermanentError, match=r"falcon 7\.18\.0 is not in the catalog any more") as raised:
        _address_of_next_attempt(made, BASE)
    assert (raised.value.error_class, raised.value.owner) == (ErrorClass.POLICY, Owner.PLATFORM)


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
        {**TOOL, "version": "latest", "sha256": "x"}, {**TOOL, "url": "http://tools.factory.corp/x"}
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


def _uses(made: SimulatedWorld, name: str, parent: str | None, *tools: str) -> None:
    document = fleet.document(name, parent)
    document["spec"]["build"]["catalog"] = list(tools)
    image = ImageName(name)
    known = scenes.images(made).find_head(image)
    made.factory.registrar.register(
        image,
        document,
        world.upload(made, "content"),
        ADMIN,
        expected=None if known is None else known.value.document_etag,
        create_only=known is None,
    )


def _built_with_tool() -> SimulatedWorld:
    made = scenes.registered({})
    _with_tool(made)
    _uses(made, "rhel9-base", None, "falcon")
    made.register("other-base", None)
    made.drain()
    return made


def _drop(made: SimulatedWorld, *, drop_used: bool) -> None:
    digest = world.upload(made, "platform")
    made.factory.platforms.put(digest, _catalog(), ADMIN, drop_used=drop_used)


def test_a_tool_that_images_name_does_not_leave_the_catalog_unnoticed() -> None:
    made = _built_with_tool()
    with pytest.raises(InvalidDocument, match=r"has no 'falcon', which rhel9-base name; .*--drop-used"):
        _drop(made, drop_used=False)
    platform = scenes.sources(made).find_platform()
    assert platform is not None
    assert "falcon" in platform.catalog


def test_a_tool_that_is_dropped_all_the_same_is_a_condition_with_its_date_a_line_and_an_event() -> None:
    made = _built_with_tool()
    scenes.wants(made, BASE, Event.TOOL_DROPPED)
    at = made.ports.clock.now()
    _drop(made, drop_used=True)
    made.publish_release(scenes.NEXT_RELEASE)
    made.run_until(at + timedelta(days=2))
    shown = made.factory.queries.image(BASE).image
    (held,) = shown.conditions
    assert (held.type, held.since, shown.state) == (ConditionType.TOOL_DROPPED, at, "unknown")
    assert "no longer has falcon" in held.message
    assert scenes.events(made, BASE).count(Event.TOOL_DROPPED) == 1
    listed = {view.name: view.conditions for view in made.factory.queries.images(limit=200).images}
    assert [each.type for each in listed["rhel9-base"]] == [ConditionType.TOOL_DROPPED]
    assert listed["other-base"] == ()
    assert len(scenes.builds(made, ImageName("other-base"))) == 2  # it had the release; BASE could not
    _uses(made, "rhel9-base", None)
    made.settle()
    assert made.factory.queries.image(BASE).image.conditions == ()
    assert str(scenes.builds(made, BASE)[-1].inputs.origin).endswith(scenes.NEXT_RELEASE)


def test_later_platform_steps_are_not_refused_for_a_tool_that_was_dropped_before_and_keep_its_date() -> None:
    made = _built_with_tool()
    at = made.ports.clock.now()
    _drop(made, drop_used=True)
    made.ports.clock.advance(timedelta(days=3))
    made.factory.platforms.put(world.upload(made, "hardened"), _catalog(), ADMIN)
    platform = scenes.sources(made).find_platform()
    assert platform is not None
    assert dict(platform.dropped) == {"falcon": at}
    _with_tool(made)
    made.settle()
    assert made.factory.queries.image(BASE).image.conditions == ()
    assert scenes.events(made, BASE).count(Event.TOOL_DROPPED) == 1


def test_images_are_told_of_a_dropped_tool_though_the_process_died() -> None:
    made = _built_with_tool()

    class Died(BaseException):
        pass

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images":
            raise Died

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=die))
    with pytest.raises(Died):
        _drop(made, drop_used=True)
    scenes.rewired(made)
    assert Event.TOOL_DROPPED not in scenes.events(made, BASE)
    made.factory.sweeper.sweep()
    made.factory.sweeper.sweep()
    assert scenes.events(made, BASE).count(Event.TOOL_DROPPED) == 1


def _many_with_tool(count: int) -> tuple[SimulatedWorld, list[ImageName]]:
    made = scenes.registered({})
    _with_tool(made)
    names = [f"image-{number}" for number in range(count)]
    for name in names:
        _uses(made, name, None, "falcon")
    scenes.lose(made)
    return made, [*map(ImageName, names)]


def _told(made: SimulatedWorld, names: Sequence[ImageName]) -> list[int]:
    return [scenes.events(made, name).count(Event.TOOL_DROPPED) for name in names]


def test_images_are_told_in_slices_behind_the_last_one_and_the_roots_are_woken_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "_SLICE", 2)
    made, names = _many_with_tool(5)
    woken: list[int] = []

    def seen(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("entry:") for write in writes):
            woken.append(len(scenes.asked(made)))

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=seen))
    _drop(made, drop_used=True)
    assert woken == [5, 5]
    scenes.rewired(made)
    assert _told(made, names) == [1, 1, 0, 0, 0]
    made.factory.sweeper.sweep()
    assert _told(made, names) == [1, 1, 1, 1, 0]
    made.factory.sweeper.sweep()
    assert _told(made, names) == [1] * 5
    stored = scenes.sources(made).find_platform()
    assert stored is not None
    assert (stored.announce, stored.announced_to) == (False, "")


@pytest.mark.parametrize("is_for_good", [True, False])
def test_an_image_that_cannot_be_told_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, *, is_for_good: bool
) -> None:
    monkeypatch.setattr(platform, "_SLICE", 3)
    made, names = _many_with_tool(5)
    failing = [True]

    def fail(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("entry:") and write.row.partition == "image-1" for write in writes):
            if is_for_good:
                raise UnreadableRow("from a newer release", partition="image-1", key="head")
            if failing:
                raise TransientError(ErrorClass.CONFLICT, "not now")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=fail))
    _drop(made, drop_used=True)  # it is not refused: the platform steps are in force
    assert _told(made, names) == [1, 0, 0, 0, 0]
    made.factory.sweeper.sweep()
    assert _told(made, names) == [1, 0, 1, 0, 0]
    failing.clear()
    for _ in range(2):
        made.factory.sweeper.sweep()
    assert _told(made, names) == [1, 0 if is_for_good else 1, 1, 1, 1]
    stored = scenes.sources(made).find_platform()
    assert stored is not None
    assert not stored.announce
