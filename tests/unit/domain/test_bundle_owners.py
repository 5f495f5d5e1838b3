"""Who may register an image with a bundle: the whole truth table. And when a bundle is unused."""

from datetime import timedelta

import pytest

from pipeline_core.domain import access, bundle_owners
from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Principal
from tests.unit.domain import factories as make
from tests.unit.domain.factories import NOW

PAYMENTS, EVIL = TeamName("payments"), TeamName("evil")
DIGEST = make.digest("b")
RECORD = BundleRecord(digest=DIGEST, owners=(PAYMENTS,), touched_at=NOW)
SECOPS = Principal(subject="s", name="S", roles=frozenset({access.ADMIN}))
MEMBER = Principal(subject="m", name="M", teams=frozenset({EVIL}))


@pytest.mark.parametrize("caller", [SECOPS, MEMBER], ids=["SecOps", "a member"])
@pytest.mark.parametrize("uses_it", [True, False])
@pytest.mark.parametrize("record", [None, RECORD, RECORD.adding({EVIL}, NOW)], ids=["none", "others", "own"])
def test_a_bundle_is_for_its_owners_for_who_uses_it_and_for_secops(
    record: BundleRecord | None, uses_it: bool, caller: Principal
) -> None:
    is_owner = record is not None and EVIL in record.owners
    if is_owner or uses_it or caller is SECOPS:
        bundle_owners.demand_bundle(DIGEST, record, EVIL, caller, uses_it=uses_it)
        return
    with pytest.raises(PermanentError, match="bundles share") as refused:
        bundle_owners.demand_bundle(DIGEST, record, EVIL, caller, uses_it=uses_it)
    assert refused.value.error_class is ErrorClass.PERMISSION


def test_owners_are_added_in_order_and_once() -> None:
    assert RECORD.adding([EVIL, PAYMENTS], NOW).owners == (EVIL, PAYMENTS)


@pytest.mark.parametrize(
    ("days", "is_stale", "is_unused"),
    [(0, False, False), (9, False, False), (10, True, False), (39, True, False), (40, True, True)],
)
def test_a_record_is_renewed_after_ten_days_and_unused_after_forty(
    days: int, is_stale: bool, is_unused: bool
) -> None:
    now = NOW + timedelta(days=days)
    assert (RECORD.is_stale(now), RECORD.is_unused(now)) == (is_stale, is_unused)


def test_a_doomed_record_is_always_looked_at_and_stays_doomed_until_it_is_replaced() -> None:
    doomed = RECORD.dooming("etag")
    assert doomed.is_stale(NOW)
    assert doomed.adding([EVIL], NOW).doomed == "etag"
