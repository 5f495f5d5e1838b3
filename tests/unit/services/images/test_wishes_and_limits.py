"""What renews a failed input, and what a person's wish leaves behind that did not succeed."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.names import ImageName
from simulation import fleet
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


def _register(made: SimulatedWorld, name: str, parent: str | None, **spec: Any) -> tuple[str, ...]:
    """The same folder with another part of its definition; the notes of the answer."""
    digest, content = fleet.bundle("content")
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    document = fleet.document(name, parent)
    for part, changes in spec.items():
        document["spec"][part] = {**document["spec"].get(part, {}), **changes}
    known = scenes.head(made, ImageName(name))
    return made.factory.registrar.register(
        ImageName(name), document, digest, ADMIN, expected=known.document_etag, create_only=False
    ).notes


def test_a_longer_timeout_or_a_larger_machine_lets_a_failed_build_try_again() -> None:
    """Case 11."""
    made = scenes.registered({"rhel9-base": None}, failing={("rhel9-base", "build"): "provisioner"})
    made.drain()
    assert scenes.rest_of(made, BASE) == "blocked"
    _register(made, "rhel9-base", None, build={"timeout": "120m"})
    made.drain()
    assert [each.result for each in scenes.builds(made, BASE)] == [Result.FAILED] * 2
    assert scenes.rest_of(made, BASE) == "blocked"
    made.platform.failing = {}
    _register(made, "rhel9-base", None, build={"timeout": "120m", "vmSize": "Standard_D4s_v5"})
    made.drain()
    assert scenes.rest_of(made, BASE) == "current"


def test_a_cancelled_wish_leaves_a_current_image_current_and_its_child_untouched() -> None:
    made = scenes.settled(TWO)
    made.factory.requests.request(BASE, ADMIN, "new agent", "k1")
    scenes.in_phase(made, BASE, Phase.BUILDING)
    made.factory.canceller.cancel(scenes.active(made, BASE).value.id, ADMIN, "not now")
    made.drain()
    assert scenes.builds(made, BASE)[-1].result is Result.CANCELLED
    for image in (BASE, JAVA):
        shown = made.factory.queries.image(image).image
        assert (shown.state, shown.conditions) == ("current", ())


def test_a_failed_wish_is_shown_and_leaves_a_current_image_current() -> None:
    made = scenes.settled(TWO)
    made.platform.failing = {("rhel9-base", "verify"): "boot"}
    made.factory.requests.request(BASE, ADMIN, "new agent", "k1")
    made.drain()
    page = made.factory.queries.image(BASE)
    assert page.image.state == "current"
    assert page.builds[0].failure_class == "smoke"
    (shown,) = page.image.conditions
    assert (shown.type.value, shown.reason, shown.since) == (
        "WishFailed",
        "RequestFailed",
        page.builds[0].phase_since,
    )
    assert f"failed in {page.builds[0].id}: smoke: " in shown.message
    assert str(page.image.version) in shown.message
    (listed, _) = made.factory.queries.images().images
    assert listed.conditions == (shown,)
    assert made.factory.queries.image(JAVA).image.conditions == ()


@pytest.mark.parametrize("ends_by", ["another request", "an edit"])
def test_a_failed_wish_is_shown_until_a_person_asks_again_or_another_version_is_current(ends_by: str) -> None:
    made = scenes.settled(TWO)
    made.platform.failing = {("rhel9-base", "verify"): "boot"}
    made.factory.requests.request(BASE, ADMIN, "new agent", "k1")
    made.drain()
    made.platform.failing = {}
    if ends_by == "an edit":
        made.register("rhel9-base", None, text="edited")
    else:
        made.factory.requests.request(BASE, ADMIN, "once more", "k2")
        assert scenes.head(made, BASE).failed_wish is None
    made.drain()
    assert made.factory.queries.image(BASE).image.conditions == ()


def test_a_changed_verify_says_when_it_takes_effect() -> None:
    made = scenes.settled({"rhel9-base": None})
    *_, note = _register(made, "rhel9-base", None, verify={"compliance": {"profile": "stig", "minScore": 90}})
    assert "takes effect with the next build" in note
    made.drain()
    assert len(scenes.builds(made, BASE)) == 1
    shown = made.factory.queries.image(BASE).image
    assert shown.state == "current"
    assert [each.type.value for each in shown.conditions] == ["VerifyChanged"]


def test_a_changed_verify_is_built_where_the_definition_says_so() -> None:
    made = scenes.settled({"rhel9-base": None})
    *_, note = _register(
        made,
        "rhel9-base",
        None,
        verify={"compliance": {"profile": "cis_server_l1", "minScore": 91}},
        rebuild={"on": ["parent", "definition", "verify"]},
    )
    assert "a build that is judged anew follows" in note
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2
    shown = made.factory.queries.image(BASE).image
    assert (shown.state, shown.conditions) == ("current", ())


ON_VERIFY = {"on": ["parent", "definition", "verify"]}


def _score(score: int) -> dict[str, Any]:
    return {"compliance": {"profile": "cis_server_l1", "minScore": score}}


def _demand_judged_by_now(made: SimulatedWorld) -> None:
    head = scenes.images(made).get_head(BASE).value
    assert head.current is not None
    assert head.current.gates == head.registration.gates
    shown = made.factory.queries.image(BASE).image
    assert (shown.state, shown.conditions) == ("current", ())


def test_a_verify_that_changes_while_a_build_is_on_its_way_is_judged_by_the_next() -> None:
    made = scenes.registered({"rhel9-base": None})
    _register(made, "rhel9-base", None, verify=_score(90), rebuild=ON_VERIFY)
    made.run_until(made.ports.clock.now() + timedelta(minutes=2))
    _register(made, "rhel9-base", None, verify=_score(91), rebuild=ON_VERIFY)
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2
    _demand_judged_by_now(made)


def test_a_verify_of_which_a_team_was_of_two_minds_is_judged_by_in_the_end() -> None:
    made = scenes.registered({"rhel9-base": None})
    for score in (90, 91, 90, 91):
        _register(made, "rhel9-base", None, verify=_score(score), rebuild=ON_VERIFY)
        if score == 90:
            made.drain()
    made.drain()
    _demand_judged_by_now(made)


def test_to_rebuild_on_verify_is_taken_up_where_verify_had_changed_before() -> None:
    made = scenes.settled({"rhel9-base": None})
    _register(made, "rhel9-base", None, verify=_score(91))
    made.drain()
    _register(made, "rhel9-base", None, verify=_score(91), rebuild=ON_VERIFY)
    made.drain()
    assert len(scenes.builds(made, BASE)) == 2
    _demand_judged_by_now(made)


def test_a_version_that_is_used_again_says_that_an_older_verify_judged_it() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.register("rhel9-base", None, text="edit")
    made.drain()
    _register(made, "rhel9-base", None, verify=_score(91))
    made.drain()
    shown = made.factory.queries.image(BASE).image
    assert shown.version == "9.20261121.1"
    assert [each.type.value for each in shown.conditions] == ["VerifyChanged"]


def test_a_build_that_is_replaced_again_and_again_keeps_its_age() -> None:
    made = scenes.registered({"rhel9-base": None})
    scenes.look(made, BASE)
    first = scenes.active(made, BASE).value
    for number in range(3):
        made.ports.clock.advance(scenes.WAIT)
        made.register("rhel9-base", None, text=f"edit {number}")
        scenes.look(made, BASE)
    last = scenes.active(made, BASE).value
    assert last.id != first.id
    assert (last.queued_at, last.created_at > first.created_at) == (first.created_at, True)
