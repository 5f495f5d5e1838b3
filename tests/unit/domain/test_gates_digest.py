"""What is asked of a version before it is published: every part of it enters the digest, nothing else does."""

from dataclasses import replace
from datetime import date

import pytest

from pipeline_core.domain import claims
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.definitions import (
    ComplianceTarget,
    ServedPort,
    ServedWhen,
    Verification,
    Waiver,
    WaiverKind,
)
from pipeline_core.domain.recipe import gates_digest, limits_digest, recipe_digest
from tests.unit.domain import factories as make
from tests.unit.domain.test_fingerprint import DEFINITION

WAIVER = Waiver(rule="a", reason="why", owner="o@example.com", expires=date(2027, 1, 31))
OTHER = replace(WAIVER, rule="b")
TARGET = ComplianceTarget(profile="cis_server_l1", min_score=90, waivers=(WAIVER, OTHER))
ASKED = Verification(goss="goss.yaml", smoke=("a.sh", "b.sh"), compliance=TARGET)


def _digest(verify: Verification) -> str:
    return str(gates_digest(replace(DEFINITION, verify=verify)))


@pytest.mark.parametrize(
    "asked",
    [
        Verification(),
        replace(ASKED, goss=None),
        replace(ASKED, smoke=("b.sh", "a.sh")),
        replace(ASKED, compliance=None),
        replace(ASKED, compliance=replace(TARGET, profile="stig")),
        replace(ASKED, compliance=replace(TARGET, min_score=91)),
        replace(ASKED, compliance=replace(TARGET, tailoring="t.xml")),
        replace(ASKED, compliance=replace(TARGET, waivers=(WAIVER,))),
        replace(
            ASKED, compliance=replace(TARGET, waivers=(replace(WAIVER, expires=date(2028, 1, 1)), OTHER))
        ),
        replace(ASKED, compliance=replace(TARGET, waivers=(replace(WAIVER, owner="p@example.com"), OTHER))),
    ],
)
def test_every_part_of_what_is_asked_enters(asked: Verification) -> None:
    assert _digest(asked) != _digest(ASKED)


@pytest.mark.parametrize(
    "asked",
    [
        replace(ASKED, compliance=replace(TARGET, waivers=(OTHER, WAIVER))),
        replace(ASKED, compliance=replace(TARGET, waivers=(replace(WAIVER, reason="another"), OTHER))),
    ],
)
def test_the_order_of_waivers_and_their_reasons_do_not_enter(asked: Verification) -> None:
    assert _digest(asked) == _digest(ASKED)


def test_a_served_port_and_when_it_is_served_enter() -> None:
    api = ServedPort(port=8200)
    without = replace(DEFINITION, verify=ASKED)
    finding = replace(ASKED, waivers=(replace(WAIVER, kind=WaiverKind.INVARIANT),))
    found = {
        gates_digest(each)
        for each in (
            without,
            replace(without, serves=(api,)),
            replace(without, serves=(replace(api, when=ServedWhen.DEPLOYED),)),
            replace(without, verify=finding),
            replace(without, verify=finding, serves=(api,)),
        )
    }
    assert len(found) == 5


def test_what_asks_for_nothing_new_has_the_digest_of_the_time_before_served_ports() -> None:
    assert _digest(ASKED) == "02c18a2285f9d75162505bc6e6c3b77e9aa65105238ef0ae86621513a5011f49"


def test_owners_do_not_enter() -> None:
    assert gates_digest(replace(DEFINITION, owners=("b@example.com",))) == gates_digest(DEFINITION)


def test_what_was_never_claimed_has_nothing_to_tell() -> None:
    assert claims.describe(None) == ""
    inputs = make.desired(make.BASE, make.world(make.head()))
    assert "failed: why" in claims.describe(make.claim_on(inputs, Outcome.FAILED, detail="why"))


def test_machine_size_and_timeout_are_limits_and_no_content() -> None:
    build = DEFINITION.build
    others = [
        replace(DEFINITION, build=replace(build, timeout=2 * build.timeout)),
        replace(DEFINITION, build=replace(build, vm_size=f"{build.vm_size}_other")),
    ]
    assert len({limits_digest(each) for each in (DEFINITION, *others)}) == 3
    assert {recipe_digest(each) for each in others} == {recipe_digest(DEFINITION)}
    assert limits_digest(replace(DEFINITION, verify=ASKED)) == limits_digest(DEFINITION)
