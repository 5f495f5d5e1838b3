"""A subscription holds 1,000 image definitions and 10,000 versions in a region, over all its galleries."""

import json

import pytest

from local.arm.galleries import limits
from local.arm.galleries.galleries import DEFINITION
from local.arm.store import Store
from local.arm.wire import ArmError, Call

SUBSCRIPTION, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def _call(subscription: str = SUBSCRIPTION, location: str = "West Europe") -> Call:
    return Call(
        method="PUT",
        path="/",
        base="https://127.0.0.1",
        query={},
        headers={},
        content=json.dumps({"location": location}).encode(),
        names={"subscription": subscription},
    )


def _full(most: int) -> Store:
    """Two galleries of one subscription that hold `most` definitions together."""
    store = Store()
    for number in range(most):
        gallery = ("live", "quarantine")[number % 2]
        path = (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/galleries/{gallery}"
        )
        store.put(f"{path}/images/image-{number}", DEFINITION, {"location": "westeurope", "properties": {}})
    return store


def test_the_1001st_definition_is_refused_in_whichever_gallery() -> None:
    with pytest.raises(ArmError) as refused:
        limits.demand_room(_full(1000), _call(), DEFINITION, limits.DEFINITIONS)
    assert (refused.value.status, refused.value.code) == (409, "OperationNotAllowed")
    assert "exceeding approved GalleryImage quota" in str(refused.value)
    assert "Current Limit: 1000, Current Usage: 1000" in str(refused.value)


@pytest.mark.parametrize(
    ("held", "call"),
    [(999, _call()), (1000, _call(OTHER)), (1000, _call(location="northeurope"))],
    ids=["one place is left", "another subscription", "another region"],
)
def test_there_is_room_elsewhere(held: int, call: Call) -> None:
    limits.demand_room(_full(held), call, DEFINITION, limits.DEFINITIONS)
