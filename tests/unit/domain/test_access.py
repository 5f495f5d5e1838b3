"""Who a caller is, and what the table lets one do. `tests/unit/triggers/test_access_walk.py` walks it over HTTP."""

from dataclasses import dataclass

import pytest

from pipeline_core.domain import access, access_table
from pipeline_core.domain.access_table import ApiOperation, CallerStanding, SubjectKind
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import ImageName, TeamName

PAYMENTS, ML = TeamName("payments"), TeamName("ml")
ID = "a1b2c3d4-1111-4222-8333-444455556666"  # it would be a legal name of a team
MAPPED = {ID: PAYMENTS, "the-ml-group": ML}
BASE = access.subject_of(ImageName("base"), TeamName("secops"), is_base=True)
IMAGE = access.subject_of(ImageName("api"), PAYMENTS, is_base=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    roles: frozenset[str] = frozenset()
    teams: frozenset[TeamName] = frozenset()


SECOPS = Person(roles=frozenset({access.ADMIN}))
READER = Person(roles=frozenset({access.READER}))
MEMBER, STRANGER = Person(teams=frozenset({PAYMENTS})), Person(teams=frozenset({ML}))
OWNER_OF_BASE = Person(teams=frozenset({TeamName("secops")}))


@pytest.mark.parametrize(
    ("roles", "groups", "teams"),
    [
        pytest.param({"Team.payments"}, set(), {PAYMENTS}, id="a role"),
        pytest.param({"Team.payments", "Team.ml"}, set(), {PAYMENTS, ML}, id="two roles"),
        pytest.param(set(), {ID}, {PAYMENTS}, id="a mapped group"),
        pytest.param(set(), {ID.upper()}, {PAYMENTS}, id="Entra ids have no case"),
        pytest.param(set(), {"the-ml-group"}, {ML}, id="a mapped name"),
        pytest.param(set(), {"The-ML-Group"}, set(), id="a name has a case"),
        pytest.param(set(), {"payments"}, set(), id="a group that bears a team's name"),
        pytest.param(set(), {"Everyone", "", " "}, set(), id="any named group"),
        pytest.param(set(), {"b1b2c3d4-1111-4222-8333-444455556666"}, set(), id="another object id"),
        pytest.param({"Team."}, set(), set(), id="no name"),
        pytest.param({f"Team.{ID}"}, set(), set(), id="a role that names an object id"),
        pytest.param({"Team.Payments", "team.payments", "Team.pay ments"}, set(), set(), id="no team's name"),
        pytest.param({"Factory.Reader"}, {ID}, set(), id="a reader stays a reader"),
        pytest.param({"Factory.Reader", "Team.ml"}, {ID}, {ML}, id="a reader with a team's role"),
        pytest.param({"Factory.Admin"}, {ID}, {PAYMENTS}, id="SecOps"),
    ],
)
def test_only_roles_and_mapped_groups_prove_a_team(
    roles: set[str], groups: set[str], teams: set[TeamName]
) -> None:
    assert access.teams_of(roles, groups, MAPPED) == teams


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (SECOPS, True),
        (READER, True),
        (MEMBER, True),
        (Person(), False),
        (Person(roles=frozenset({"X"})), False),
    ],
)
def test_who_has_a_role(caller: Person, expected: bool) -> None:
    assert access.has_role(caller) is expected


def test_the_table_has_every_operation_and_a_kind_for_each() -> None:
    assert set(access_table.TABLE) == set(ApiOperation)
    assert all(rule.who and rule.deed for rule in access_table.TABLE.values())


def test_what_the_table_does_not_know_is_refused() -> None:
    assert not access.allows(ApiOperation.PUT_POLICY, SECOPS, BASE)  # the policy is about no image


def test_bases_are_secops_for_every_change() -> None:
    changes = [
        operation
        for operation, rule in access_table.TABLE.items()
        if rule.who.get(SubjectKind.BASE) and CallerStanding.READER not in rule.of(SubjectKind.BASE)
    ]
    assert len(changes) == 16
    for operation in changes:
        assert access.allows(operation, SECOPS, BASE)
        for caller in (OWNER_OF_BASE, MEMBER, READER, Person()):
            assert not access.allows(operation, caller, BASE), operation


def test_a_reader_and_a_stranger_change_nothing() -> None:
    for cell in access_table.cells():
        is_reading = access_table.TABLE[cell.operation].of(cell.kind) >= access_table.READERS
        is_poison = cell.operation in (ApiOperation.LIST_POISON, ApiOperation.SHOW_POISON)
        if cell.standing is CallerStanding.READER and not (is_reading or is_poison):
            assert not cell.is_allowed
        if cell.standing is CallerStanding.NOBODY:
            assert cell.is_allowed == access.is_open(cell.operation)


def test_nobody_owns_what_belongs_to_no_image() -> None:
    assert not any(
        c.kind is SubjectKind.FACTORY and c.standing is CallerStanding.OWNER for c in access_table.cells()
    )
    assert access.standing(MEMBER, access.FACTORY) == {CallerStanding.NOBODY, CallerStanding.TEAM}


def test_roles_add_up() -> None:
    both = Person(roles=frozenset({access.READER}), teams=frozenset({PAYMENTS}))
    assert access.standing(both, IMAGE) == {
        CallerStanding.NOBODY,
        CallerStanding.READER,
        CallerStanding.OWNER,
    }
    assert access.allows(ApiOperation.REQUEST_BUILD, both, IMAGE)
    assert not access.allows(ApiOperation.REQUEST_BUILD, both, BASE)


@pytest.mark.parametrize(
    ("operation", "caller", "subject", "text"),
    [
        (
            ApiOperation.REQUEST_BUILD,
            STRANGER,
            IMAGE,
            "api belongs to team payments: only its members and SecOps may rebuild it",
        ),
        (
            ApiOperation.UNREGISTER_IMAGE,
            OWNER_OF_BASE,
            BASE,
            "base is or belongs to a base image: only SecOps (Factory.Admin) may unregister it",
        ),
        (
            ApiOperation.PUT_POLICY,
            MEMBER,
            access.FACTORY,
            "only SecOps (Factory.Admin) may change the policy",
        ),
        (
            ApiOperation.STORE_BUNDLE,
            READER,
            access.FACTORY,
            "only members of a team and SecOps may upload bundles",
        ),
    ],
)
def test_a_refusal_names_who_has_the_right(
    operation: ApiOperation, caller: Person, subject: access.Subject, text: str
) -> None:
    access.demand(operation, SECOPS, subject)
    with pytest.raises(PermanentError) as refused:
        access.demand(operation, caller, subject)
    assert (refused.value.error_class, str(refused.value)) == (ErrorClass.PERMISSION, text)


def test_what_an_owner_alone_decides_is_refused_to_secops_too() -> None:
    access.demand(ApiOperation.OFFER_PARENT, MEMBER, IMAGE)
    with pytest.raises(PermanentError) as refused:
        access.demand(ApiOperation.OFFER_PARENT, SECOPS, IMAGE)
    assert str(refused.value) == "api belongs to team payments: only its members may offer it to a team again"
    with pytest.raises(PermanentError, match=r"^only members of a team may offer it to a team again$"):
        access.demand_ever(ApiOperation.OFFER_PARENT, READER)


@pytest.mark.parametrize(
    ("operation", "caller", "may"),
    [
        (ApiOperation.REQUEST_BUILD, MEMBER, True),
        (ApiOperation.REQUEST_BUILD, READER, False),
        (ApiOperation.STORE_BUNDLE, MEMBER, True),
        (ApiOperation.STORE_BUNDLE, READER, False),
        (ApiOperation.PUT_POLICY, MEMBER, False),
        (ApiOperation.PUT_POLICY, SECOPS, True),
        (ApiOperation.LIST_POISON, MEMBER, True),
        (ApiOperation.LIST_IMAGES, READER, True),
        (ApiOperation.LIST_IMAGES, Person(), False),
        (ApiOperation.CHECK_HEALTH, Person(), True),
        (ApiOperation.GRANT_WAIVER, READER, True),  # the policy may name it
        (ApiOperation.GRANT_WAIVER, Person(), False),
    ],
)
def test_what_may_be_asked_before_the_subject_is_known(
    operation: ApiOperation, caller: Person, may: bool
) -> None:
    assert access.allows_ever(operation, caller) is may
    if may:
        access.demand_ever(operation, caller)
        return
    with pytest.raises(PermanentError, match=r"^only .* may "):
        access.demand_ever(operation, caller)


def test_a_decision_of_a_person_needs_a_reason() -> None:
    assert access.demand_reason(" it is gone\n", "the journal") == "it is gone"
    for empty in ("", "  ", "\n"):
        with pytest.raises(PermanentError, match=r"no reason was given: .*; the journal keeps it") as refused:
            access.demand_reason(empty, "the journal")
        assert refused.value.error_class is ErrorClass.POLICY
