"""Waivers from the request in a definition to the signed statement: granted by those whom the policy names."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Result
from pipeline_core.domain.conditions import Condition, ConditionType
from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.policy import PolicyVersion
from pipeline_core.domain.waivers import WaiverState
from pipeline_core.ports import Principal
from pipeline_core.services.images.register import Registered
from pipeline_core.services.policies.waivers import WaiverSubject, WaiverView
from pipeline_core.state.grants.waivers import ImageGrants, WaiverStore
from pipeline_core.wire.image_yaml.read import digest_of
from pipeline_core.wire.policy import policy_blob
from pipeline_core.wire.problems import InvalidDocument
from pipeline_core.wire.provenance import Envelope
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.scenes import BASE

RULE = "simulated_rule_0"
OID = "0d0f5a3c-1111-4222-8333-44445555aaaa"
GRANTOR = Principal(subject=OID, name="Grace", roles=frozenset({"Factory.Reader"}))


def _register(made: SimulatedWorld, *waivers: dict[str, Any], others: Any = ()) -> Registered:
    """A base that asks for 90 and for these waivers."""
    document = fleet.document("rhel9-base", None)
    document["spec"]["verify"]["compliance"]["waivers"] = list(waivers)
    document["spec"]["verify"]["waivers"] = list(others)
    known = made.base.records.images.find_head(BASE)
    return made.factory.registrar.register(
        BASE,
        document,
        world.upload(made, "content"),
        ADMIN,
        expected=None if known is None else known.value.document_etag,
        create_only=known is None,
    )


def _asked(number: int = 0, **more: str) -> dict[str, Any]:
    return {"rule": f"simulated_rule_{number}", "reason": "repaired with the next release", **more}


def _world(*waivers: dict[str, Any]) -> SimulatedWorld:
    """A base that scored 85 of 90, for fifteen rules: five of them must be waived."""
    made = scenes.registered({})
    made.platform.scores = {"rhel9-base": 85}
    _register(made, *(waivers or map(_asked, range(5))))
    made.drain()
    return made


def _day(made: SimulatedWorld, days: int) -> date:
    return made.ports.clock.now().date() + timedelta(days=days)


def _grant(
    made: SimulatedWorld,
    number: int = 0,
    *,
    by: Principal = ADMIN,
    days: int = 30,
    reason: str = "seen in 42",
) -> WaiverView:
    subject = WaiverSubject(image=BASE, kind=WaiverKind.SCAN, rule=f"simulated_rule_{number}")
    return made.factory.waivers.grant(subject, by, until=_day(made, days), reason=reason)


def _withdraw(made: SimulatedWorld, by: Principal = ADMIN) -> WaiverView:
    subject = WaiverSubject(image=BASE, kind=WaiverKind.SCAN, rule=RULE)
    return made.factory.waivers.withdraw(subject, by, reason="it can be repaired now")


def _results(made: SimulatedWorld) -> list[Result | None]:
    return [build.result for build in scenes.builds(made, BASE)]


def _condition(made: SimulatedWorld) -> Condition | None:
    shown = made.factory.queries.image(BASE).image.conditions
    found = [each for each in shown if each.type is ConditionType.WAIVER_ENDS]
    return found[0] if found else None


def test_a_team_cannot_grant_itself_a_waiver_in_the_name_of_secops() -> None:
    """Finding 6 of the attack on the first release."""
    claims = [_asked(number, owner="secops@example.com", expires="2027-06-30") for number in range(5)]
    made = scenes.registered({})
    made.platform.scores = {"rhel9-base": 85}
    notes = _register(made, *claims).notes
    assert any("waivers grant rhel9-base simulated_rule_0" in note for note in notes)
    made.drain()
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.FAILED
    assert build.failure is not None
    assert "simulated_rule_0 is asked for, and granted by nobody: ask SecOps to run" in build.failure.message
    assert "secops@example.com" not in build.failure.message


def test_granted_waivers_publish_the_same_input_and_the_signed_statement_names_the_grant() -> None:
    made = _world()
    assert _results(made) == [Result.FAILED]
    for number in range(5):
        _grant(made, number)
    made.drain()
    first, *_, last = scenes.builds(made, BASE)
    assert (last.fingerprint, last.result) == (first.fingerprint, Result.SUCCEEDED)
    content = made.ports.blobs.read("provenance", f"{last.provenance}.dsse.json", limit=10**6)
    gates = json.loads(Envelope.from_wire(content).content())["predicate"]["runDetails"]["byproducts"][0]
    said = gates["annotations"]["waivers"]["waived"]
    assert len(said) == 5  # the evidence is a text of bounded length; who granted what is not
    made_on, until = made.ports.clock.now().date(), _day(made, 30)
    assert f"{RULE} (granted by {ADMIN.name} ({ADMIN.actor.identity}) on {made_on} until {until})" in said
    assert scenes.events(made, BASE).count(Event.WAIVER_GRANTED) == 5


def test_one_grant_too_few_is_tried_once_and_refused_again() -> None:
    made = _world()
    _grant(made)
    made.drain()
    assert _results(made) == [Result.FAILED, Result.FAILED]
    _grant(made)  # the same again
    made.drain()
    assert len(_results(made)) == 2
    assert scenes.events(made, BASE).count(Event.WAIVER_GRANTED) == 1


def test_a_waiver_that_ended_leaves_an_image_no_worse_than_one_without_it() -> None:
    """Finding 1.14 of the users: a passing score is published, whatever became of the waiver."""
    made = scenes.registered({})
    made.platform.scores = {"rhel9-base": 95}
    _register(made, _asked())
    _grant(made, days=1)
    made.ports.clock.advance(timedelta(days=3))
    made.drain()
    assert _results(made)[-1] is Result.SUCCEEDED
    held = _condition(made)
    assert held is not None
    assert held.reason == "WaiverEnded"


def test_an_expired_day_is_refused_at_registration_among_the_other_problems() -> None:
    made = scenes.registered({})
    policies.put(made, compliance={"minScore": 99})
    with pytest.raises(InvalidDocument) as refused:
        _register(made, _asked(expires="2020-01-01"))
    assert {problem.path for problem in refused.value.problems} == {
        "spec.verify.compliance.minScore",
        "spec.verify.compliance.waivers[0].expires",
    }


GRANTORS: dict[str, tuple[dict[str, Any], Principal, bool]] = {
    "SecOps, where nobody is named": ({}, ADMIN, True),
    "a reader, where nobody is named": ({}, GRANTOR, False),
    "its team": ({}, scenes.principal("secops"), False),
    "the named object id": ({"grantors": [OID.upper()]}, GRANTOR, True),
    "a named role": ({"grantors": ["role:Factory.Reader"]}, GRANTOR, True),
    "SecOps, where another is named": ({"grantors": [OID]}, ADMIN, False),
}


@pytest.mark.parametrize("case", GRANTORS)
def test_those_whom_the_policy_names_grant(case: str) -> None:
    rules, by, may = GRANTORS[case]
    made = _world()
    policies.put(made, waivers=rules)
    if may:
        view = _grant(made, by=by)
        assert view.judged.grant is not None
        assert view.judged.grant.granted.by == by.actor
        assert _withdraw(made, by=by).judged.state is WaiverState.WITHDRAWN
        return
    with pytest.raises(PermanentError, match="only those whom policy 1 names") as refused:
        _grant(made, by=by)
    assert refused.value.error_class is ErrorClass.PERMISSION
    with pytest.raises(PermanentError, match="only those whom policy 1 names"):
        _withdraw(made, by=by)
    assert scenes.head(made, BASE).grants == 0


def test_a_grant_has_a_reason_and_a_day_that_the_policy_allows() -> None:
    made = _world()
    policies.put(made, waivers={"longest": "30d"})
    for days, words in ((-1, "has passed"), (31, "is too far away: policy 1 allows")):
        with pytest.raises(PermanentError, match=words):
            _grant(made, days=days)
    with pytest.raises(PermanentError, match="no reason was given"):
        _grant(made, reason=" ")
    assert _grant(made, days=30).judged.counts
    policies.put(made, waivers={"longest": "29d"})
    first, *_ = made.factory.waivers.page(image=BASE).waivers
    assert first.judged.state is WaiverState.TOO_LONG


def test_a_waiver_that_no_definition_asks_for_is_not_granted() -> None:
    made = _world()
    with pytest.raises(NotFound, match="does not ask for a waiver of scan simulated_rule_9"):
        _grant(made, 9)
    with pytest.raises(NotFound, match="was granted no waiver"):
        _withdraw(made)
    subject = WaiverSubject(image=ImageName("nothing"), kind=WaiverKind.SCAN, rule=RULE)
    with pytest.raises(NotFound):
        made.factory.waivers.grant(subject, ADMIN, until=_day(made, 1), reason="r")


def test_a_withdrawn_waiver_stops_nothing_and_counts_no_more() -> None:
    made = _world()
    for number in range(5):
        _grant(made, number)
    made.drain()
    live = made.versions()[str(BASE)]
    assert live
    _withdraw(made)
    _withdraw(made)
    made.drain()
    assert made.versions()[str(BASE)] == live
    held = _condition(made)
    assert held is not None
    assert (held.reason, held.since) == ("WaiverEnded", made.ports.clock.now())
    assert scenes.events(made, BASE).count(Event.WAIVER_WITHDRAWN) == 1
    made.factory.requests.request(BASE, ADMIN, reason="again", key="one")
    made.drain()
    assert _results(made)[-1] is Result.FAILED
    assert made.versions()[str(BASE)] == live


def test_lists_show_what_is_asked_for_and_what_ends_soon() -> None:
    made = _world(_asked(0), _asked(1), _asked(2))
    made.register("rhel9-java", "rhel9-base")

    def rules(**chosen: Any) -> list[str]:
        return [each.judged.rule for each in made.factory.waivers.page(**chosen).waivers]

    assert rules() == rules(asked=True) == [f"simulated_rule_{number}" for number in range(3)]
    _grant(made, 0, days=30)
    _grant(made, 1, days=10)
    assert rules(asked=True) == ["simulated_rule_2"]
    assert rules(ending=True) == ["simulated_rule_1"]
    assert rules(image=ImageName("rhel9-java")) == []
    page = made.factory.waivers.page(limit=1)
    assert page.next == "rhel9-base"
    assert made.factory.waivers.page(after="rhel9-base", limit=1).waivers == ()
    soon = _condition(made)
    assert soon is not None
    assert (soon.reason, soon.since) == ("WaiverEndsSoon", None)
    assert f"until {_day(made, 10)}" in soon.message


def test_a_definition_without_waivers_costs_no_read_of_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scenes.registered({})
    asked: list[ImageName] = []
    of_image = WaiverStore.of_image

    def counted(store: WaiverStore, image: ImageName) -> ImageGrants:
        asked.append(image)
        return of_image(store, image)

    monkeypatch.setattr(WaiverStore, "of_image", counted)
    made.register("rhel9-base", None)
    made.drain()
    made.factory.queries.image(BASE)
    assert made.versions()[str(BASE)]
    assert asked == []
    _register(made, _asked())
    assert asked == [BASE]


def test_a_policy_of_an_older_release_says_what_to_change() -> None:
    made = scenes.registered({})
    document = policies.document(waivers={"grantors": ["ciso@example.com"]})
    with pytest.raises(InvalidDocument) as refused:
        policies.put(made, **document["spec"])
    (problem,) = refused.value.problems
    assert problem.path == "spec.waivers.grantors[0]"
    assert "which no token proves" in problem.message
    content = policy_blob(document)
    digest = digest_of(content)
    made.ports.blobs.create("definitions", f"policies/{digest}.json", content, media_type="application/json")
    version = PolicyVersion(revision=1, digest=digest, actor="Admin", at=made.ports.clock.now())
    row = made.base.records.policies.find_row()
    made.base.records.policies.put(version, etag=None if row is None else row.etag)
    (note,) = made.factory.policy.shown().notes
    assert "they grant nothing: ciso@example.com" in note
    assert not made.factory.policy.current().waivers.may_grant("ciso@example.com", frozenset())


def test_a_grant_that_cannot_be_read_stops_nothing_and_the_image_says_so() -> None:
    """The version that it published stays current, and a release that can read it counts it again."""
    made = _world(_asked())
    made.platform.scores = {"rhel9-base": 95}
    _grant(made)
    made.drain()
    before = made.versions()["rhel9-base"]
    (row,) = [each for each in made.ports.tables.rows("images") if each.key.startswith("waiver:")]
    row = unreadable_rows.make_unreadable(made, "images", row.partition, row.key)
    held = _condition(made)
    assert held is not None
    assert held.reason == "WaiverUnreadable"
    assert made.versions()["rhel9-base"] == before
    scenes.released(made)
    made.drain()
    assert made.versions()["rhel9-base"] != before  # its score passes without the waiver
    unreadable_rows.put(made, "images", row)
    assert _condition(made) is None
