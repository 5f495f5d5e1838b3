"""What keeps a trial of platform steps from being promoted or given up, and what SecOps may insist on."""

from dataclasses import replace
from functools import partial

import pytest

from pipeline_core.domain.names import Digest
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.images.trial_scenes import CANARY, NO_TOOLS, TOOL, begin, platform_of, steps_of
from tests.unit.services.scenes import BASE


@pytest.mark.parametrize("again", [False, True], ids=["as it began", "with one more image"])
def test_a_trial_does_not_take_back_a_repair_unless_secops_insist(again: bool) -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-canary": None})
    before, tried = platform_of(made), begin(made, "new", CANARY)
    made.settle()
    scenes.set_platform(made, "a repair")
    if again:
        begin(made, "new", CANARY, BASE)
    made.settle()
    repair = platform_of(made).digest
    with pytest.raises(InvalidDocument) as refused:
        made.factory.platforms.promote(tried, ADMIN)
    (problem,) = refused.value.problems
    assert problem.path == "over_newer"
    assert str(repair) in problem.message
    assert str(before.digest) in problem.message
    assert "--over-newer" in problem.remedy
    assert (platform_of(made).digest, steps_of(made, CANARY)) == (repair, tried)
    assert made.factory.platforms.promote(tried, ADMIN, over_newer=True) == platform_of(made)
    assert (platform_of(made).digest, platform_of(made).trial) == (tried, None)


def test_new_steps_on_trial_after_a_repair_are_promoted_without_a_word() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-canary": None})
    begin(made, "new", CANARY)
    scenes.set_platform(made, "a repair")
    both = begin(made, "new, and the repair", CANARY)
    made.settle()
    made.factory.platforms.promote(both, ADMIN)
    assert platform_of(made).digest == both


def test_a_trial_of_which_nobody_knows_over_what_it_began_is_promoted_where_secops_insist() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-canary": None})
    tried = begin(made, "new", CANARY)
    made.settle()
    found = platform_of(made)
    assert found.trial is not None
    scenes.sources(made).save_platform(replace(found, trial=replace(found.trial, over=None)), over=found)
    with pytest.raises(InvalidDocument, match="it is not known over which steps"):
        made.factory.platforms.promote(tried, ADMIN)
    made.factory.platforms.promote(tried, ADMIN, over_newer=True)
    assert platform_of(made).digest == tried


@pytest.mark.parametrize("replaced", [False, True], ids=["ended", "replaced"])
def test_a_canary_that_names_a_tool_of_the_trial_alone_keeps_it_from_being_given_up(replaced: bool) -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-canary": None})
    catalog = {**NO_TOOLS, "entries": [TOOL]}
    scenes.admit(made, catalog)
    digest, content = fleet.bundle("new", catalog=catalog)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.factory.platforms.put(digest, catalog, ADMIN, canaries=(CANARY,))
    document, bundle = (
        fleet.document("rhel9-canary", None, catalog=("falcon",)),
        world.upload(made, "content"),
    )
    etag = scenes.head(made, CANARY).document_etag
    made.factory.registrar.register(CANARY, document, bundle, ADMIN, expected=etag, create_only=False)
    made.settle()
    give_up = partial(begin, made, "another", BASE) if replaced else partial(_end, made, digest)
    with pytest.raises(InvalidDocument, match="rhel9-canary, which names 'falcon'") as refused:
        give_up()
    (problem,) = refused.value.problems
    assert problem.remedy == "register the image without the tool, or put the tool in force"
    trial = platform_of(made).trial
    assert trial is not None
    assert trial.digest == digest
    made.register("rhel9-canary", None)
    give_up()
    made.settle()
    assert steps_of(made, CANARY) == platform_of(made).digest


def _end(made: SimulatedWorld, bundle: Digest) -> Digest:
    return made.factory.platforms.end_trial(bundle, ADMIN).digest


def test_a_tool_that_left_the_catalog_in_force_meanwhile_keeps_no_trial_from_its_end() -> None:
    made = scenes.settled({})
    catalog = {**NO_TOOLS, "entries": [TOOL]}
    scenes.admit(made, catalog)
    made.factory.platforms.put(world.upload(made, "platform"), catalog, ADMIN)
    document, bundle = (
        fleet.document("rhel9-canary", None, catalog=("falcon",)),
        world.upload(made, "content"),
    )
    made.factory.registrar.register(CANARY, document, bundle, ADMIN, expected=None, create_only=True)
    digest, content = fleet.bundle("new", catalog=catalog)
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.factory.platforms.put(digest, catalog, ADMIN, canaries=(CANARY,))
    made.factory.platforms.put(world.upload(made, "platform-2"), NO_TOOLS, ADMIN, drop_used=True)
    assert made.factory.platforms.end_trial(digest, ADMIN).trial is None


def test_nothing_is_said_of_tools_where_the_catalog_was_not_read() -> None:
    made = scenes.settled({})
    catalog = {**NO_TOOLS, "entries": [TOOL]}
    scenes.admit(made, catalog)
    made.factory.platforms.put(world.upload(made, "platform"), catalog, ADMIN)
    document, bundle = (
        fleet.document("rhel9-canary", None, catalog=("falcon",)),
        world.upload(made, "content"),
    )
    made.factory.registrar.register(CANARY, document, bundle, ADMIN, expected=None, create_only=True)
    with pytest.raises(InvalidDocument) as refused:
        made.factory.platforms.put(Digest("ab" * 32), catalog, ADMIN, canaries=(CANARY,))
    assert [each.path for each in refused.value.problems] == ["bundle"]
