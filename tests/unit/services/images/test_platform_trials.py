"""A trial of platform steps: on named images alone, then in force without another build, or given up."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, StaleWrite
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.platform_trials import CanaryState
from pipeline_core.domain.tools import ToolState
from pipeline_core.ports import Principal
from pipeline_core.state.sources import PLATFORMS
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.images.trial_scenes import (
    CANARY,
    FLEET,
    NO_TOOLS,
    TOO,
    TOOL,
    begin,
    platform_of,
    settled,
    steps_of,
)
from tests.unit.services.scenes import BASE, JAVA


def _counts(made: SimulatedWorld) -> dict[str, int]:
    """How many builds each image has had."""
    return {name: len(scenes.builds(made, ImageName(name))) for name in FLEET}


def test_steps_are_tried_on_the_named_images_alone_and_promoted_without_another_build_of_them() -> None:
    made = settled()
    before = platform_of(made)
    tried = begin(made, "new", CANARY, TOO)
    made.settle()
    assert _counts(made) == {"rhel9-base": 1, "rhel9-java": 1, "rhel9-canary": 2, "java-canary": 2}
    assert {image: steps_of(made, image) for image in (BASE, JAVA, CANARY, TOO)} == {
        BASE: before.digest,
        JAVA: before.digest,
        CANARY: tried,
        TOO: tried,
    }
    made.factory.platforms.promote(tried, ADMIN)
    made.settle()
    assert _counts(made) == dict.fromkeys(FLEET, 2)
    assert {steps_of(made, image) for image in (BASE, JAVA, CANARY, TOO)} == {tried}
    assert (platform_of(made).digest, platform_of(made).trial, platform_of(made).ended) == (tried, None, ())


def test_a_trial_that_is_given_up_brings_its_canaries_back_to_the_version_that_they_had() -> None:
    made = settled()
    before, had = platform_of(made), made.versions()
    tried = begin(made, "new", CANARY, TOO)
    made.settle()
    assert made.versions() != had
    made.factory.platforms.end_trial(tried, ADMIN)
    made.settle()
    assert {steps_of(made, image) for image in (BASE, JAVA, CANARY, TOO)} == {before.digest}
    assert made.versions()["rhel9-canary"] == had["rhel9-canary"]
    assert [each.images for each in platform_of(made).ended] == [(TOO, CANARY)]


@pytest.mark.parametrize("sweeps", [False, True], ids=["by messages alone", "by the sweep alone"])
def test_an_image_hears_of_a_trial(sweeps: bool) -> None:
    made = settled()
    tried = begin(made, "new", CANARY, TOO)
    if sweeps:
        for queue in made.ports.queues.names():
            for message in made.ports.queues.messages(queue):
                made.ports.queues.delete(queue, message)
        made.settle()
    else:
        made.drain()
    assert steps_of(made, CANARY) == tried


REFUSED: dict[str, tuple[str, tuple[ImageName, ...], tuple[str, str]]] = {
    "a child that is not named": ("new", (CANARY,), ("canaries", "not these: java-canary")),
    "an image that is not there": (
        "new",
        (ImageName("nobody"),),
        ("canaries", "nobody, which is not registered"),
    ),
    "nothing new": ("platform", (TOO,), ("canaries", "these platform steps are in force")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_trial_that_is_not_safe_is_refused_and_nothing_is_stored(case: str) -> None:
    text, images, (path, why) = REFUSED[case]
    made = settled()
    before = platform_of(made)
    if text == "platform":
        with pytest.raises(InvalidDocument) as refused:
            made.factory.platforms.put(before.digest, NO_TOOLS, ADMIN, canaries=images)
    else:
        with pytest.raises(InvalidDocument) as refused:
            begin(made, text, *images)
    (problem,) = refused.value.problems
    assert (problem.path, why in problem.message) == (path, True), problem.message
    assert platform_of(made) == before


def test_every_problem_of_a_trial_is_told_at_once() -> None:
    made = settled()
    with pytest.raises(InvalidDocument) as refused:
        made.factory.platforms.put(
            Digest("ab" * 32),
            {**NO_TOOLS, "entries": [{**TOOL, "version": "latest"}]},
            ADMIN,
            canaries=(CANARY, ImageName("nobody")),
        )
    told = " ".join(f"{each.path} {each.message}" for each in refused.value.problems)
    for part in ("was not uploaded", "catalog.entries[0].version", "nobody", "java-canary"):
        assert part in told


def test_a_canary_keeps_the_tools_that_it_names() -> None:
    made = scenes.registered({})
    tools = {"hosts": [fleet.HOST], "entries": [TOOL]}
    scenes.admit(made, tools)
    made.factory.platforms.put(world.upload(made, "platform"), tools, ADMIN)
    document = fleet.document("rhel9-canary", None, catalog=("falcon",))
    bundle = world.upload(made, "content")
    made.factory.registrar.register(CANARY, document, bundle, ADMIN, expected=None, create_only=True)
    with pytest.raises(InvalidDocument, match="'falcon', which the canary rhel9-canary names"):
        begin(made, "new", CANARY)
    catalog = {**NO_TOOLS, "entries": [{**TOOL, "version": "7.2"}]}
    digest, content = fleet.bundle("new", catalog=catalog)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.factory.platforms.put(digest, catalog, ADMIN, canaries=(CANARY,))
    made.drain()
    current = scenes.head(made, CANARY).current
    assert current is not None
    assert [tool[1] for tool in current.inputs.catalog] == ["7.2"]


def test_the_files_of_a_trial_are_admitted_at_its_begin_and_at_its_promotion() -> None:
    made = scenes.settled({"rhel9-canary": None})
    catalog = {**NO_TOOLS, "entries": [TOOL]}
    digest, content = fleet.bundle("new", catalog=catalog)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    with pytest.raises(InvalidDocument, match=r"'falcon', .* was never brought"):
        made.factory.platforms.put(digest, catalog, ADMIN, canaries=(CANARY,))
    scenes.admit(made, catalog)
    made.factory.platforms.put(digest, catalog, ADMIN, canaries=(CANARY,))
    made.settle()
    file = Digest(TOOL["sha256"])
    (entry,) = [each for each in made.factory.submissions.list() if each.sha256 == file]
    assert entry.named_by == ("falcon 7.1",)
    stored = made.base.records.tools.find(file)
    assert stored is not None
    made.base.records.tools.save(replace(stored.value, state=ToolState.REFUSED), etag=stored.etag)
    with pytest.raises(InvalidDocument, match=r"'falcon', .* is refused"):
        made.factory.platforms.promote(digest, ADMIN)


def test_a_second_trial_replaces_the_first_and_images_that_it_does_not_name_go_back() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-canary": None})
    before = platform_of(made)
    first = begin(made, "one", CANARY)
    made.settle()
    second = begin(made, "two", BASE)
    made.settle()
    assert (steps_of(made, CANARY), steps_of(made, BASE)) == (before.digest, second)
    with pytest.raises(NotFound, match=f"and not {first}"):
        made.factory.platforms.promote(first, ADMIN)


def test_steps_that_are_put_in_force_leave_a_trial_of_others_alone() -> None:
    made = settled()
    tried = begin(made, "new", CANARY, TOO)
    repair = world.upload(made, "a repair")
    answer = made.factory.platforms.put(repair, NO_TOOLS, ADMIN)
    assert answer == platform_of(made), "the answer is what was stored, with the trial that goes on"
    assert (answer.digest, answer.trial is not None) == (repair, True)
    made.settle()
    assert (steps_of(made, CANARY), steps_of(made, BASE)) == (tried, platform_of(made).digest)
    scenes.set_platform(made, "new")  # what is on trial is put in force by itself
    assert (platform_of(made).digest, platform_of(made).trial) == (tried, None)


def test_an_image_that_came_below_a_canary_later_waits_and_goes_on_after_the_promotion() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-canary": None})
    tried = begin(made, "new", CANARY)
    made.settle()
    made.register("late", "rhel9-canary")
    made.settle()
    assert scenes.builds(made, ImageName("late")) == []
    view = made.factory.queries.image(ImageName("late")).image
    assert (view.state, "this image is not in the trial" in view.detail) == ("unknown", True)
    (listed,) = [each for each in made.factory.queries.images().images if str(each.name) == "late"]
    assert (listed.state, listed.detail) == (view.state, view.detail)
    made.factory.platforms.promote(tried, ADMIN)
    made.settle()
    assert steps_of(made, ImageName("late")) == tried


def test_a_canary_that_is_deleted_does_not_keep_the_trial_from_being_promoted() -> None:
    made = settled()
    tried = begin(made, "new", CANARY, TOO)
    made.settle()
    head = scenes.head(made, TOO)
    made.factory.registrar.unregister(TOO, ADMIN, head.document_etag)
    _, states = made.factory.platforms.show()
    assert states == {CANARY: CanaryState.TRIED, TOO: CanaryState.UNREGISTERED}
    assert made.factory.platforms.promote(tried, ADMIN).digest == tried


def test_a_trial_that_nothing_has_shown_is_promoted_only_where_secops_insist() -> None:
    made = settled()
    tried = begin(made, "new", CANARY, TOO)
    assert set(made.factory.platforms.show()[1].values()) == {CanaryState.WAITING}
    with pytest.raises(
        InvalidDocument, match="have no version with the steps on trial: java-canary, rhel9-canary"
    ):
        made.factory.platforms.promote(tried, ADMIN)
    made.factory.platforms.promote(tried, ADMIN, untried=True)
    made.settle()
    assert steps_of(made, BASE) == tried


def test_both_decisions_may_be_repeated_and_the_other_one_comes_too_late() -> None:
    made = settled()
    first = begin(made, "one", CANARY, TOO)
    made.factory.platforms.end_trial(first, ADMIN)
    made.factory.platforms.end_trial(first, ADMIN)
    with pytest.raises(NotFound, match="no platform steps are on trial"):
        made.factory.platforms.promote(first, ADMIN, untried=True)
    second = begin(made, "two", CANARY, TOO)
    made.factory.platforms.promote(second, ADMIN, untried=True)
    made.factory.platforms.promote(second, ADMIN)
    with pytest.raises(NotFound, match="no platform steps are on trial"):
        made.factory.platforms.end_trial(second, ADMIN)
    third = begin(made, "three", CANARY, TOO)
    made.factory.platforms.end_trial(first, ADMIN)
    made.factory.platforms.promote(second, ADMIN)
    trial = platform_of(made).trial
    assert (platform_of(made).digest, None if trial is None else trial.digest) == (second, third)


@pytest.mark.parametrize("caller", [scenes.principal("secops"), scenes.principal(roles=["Factory.Reader"])])
def test_only_secops_decide_about_a_trial(caller: Principal) -> None:
    made = settled()
    tried = begin(made, "new", CANARY, TOO)
    before = platform_of(made)
    platforms = made.factory.platforms
    decisions: Sequence[Callable[[], object]] = (
        partial(platforms.put, tried, NO_TOOLS, caller, canaries=(TOO,)),
        partial(platforms.promote, tried, caller),
        partial(platforms.end_trial, tried, caller),
    )
    for decide in decisions:
        with pytest.raises(PermanentError) as refused:
            decide()
        assert refused.value.error_class is ErrorClass.PERMISSION
    assert platform_of(made) == before


def test_a_trial_is_not_lost_to_a_request_that_read_the_platform_before_it() -> None:
    made = settled()
    stores, before = scenes.sources(made), platform_of(made)
    begin(made, "new", CANARY, TOO)
    with pytest.raises(StaleWrite, match="were changed by another request"):
        stores.save_platform(replace(before, digest=Digest("ab" * 32)), over=before)
    assert platform_of(made).trial is not None


def test_a_row_of_a_release_without_trials_is_read_and_a_trial_begins_over_it() -> None:
    made = settled()
    (row,) = [
        each
        for each in made.ports.tables.rows("index")
        if (each.partition, each.key) == ("platform", "current")
    ]
    text = str(row.cells["value"])
    assert '"trial":null,"ended":[]' in text
    old = replace(row, cells={**row.cells, "value": text.replace(',"trial":null,"ended":[]', "")})
    assert PLATFORMS.read(old).value == platform_of(made)


def test_a_trial_comes_back_from_the_recovery_log() -> None:
    made = settled()
    begin(made, "one", CANARY, TOO)
    tried = begin(made, "two", TOO)
    entry = made.base.effects.recovery_log.find_platform()
    assert entry is not None
    found = entry.to_domain()
    assert (found.trial, found.ended) == (platform_of(made).trial, platform_of(made).ended)
    assert found.trial is not None
    assert (found.trial.digest, [each.images for each in found.ended]) == (tried, [(TOO, CANARY)])


def test_the_bundle_of_a_trial_is_in_use() -> None:
    made = settled()
    digest, content = fleet.bundle("new")
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.factory.platforms.put(digest, NO_TOOLS, ADMIN, canaries=(CANARY, TOO))
    named = list(made.factory.bundle_retention._of_platform())
    assert named.count(digest) == 2, "the row and the recovery log name it, each by itself"
