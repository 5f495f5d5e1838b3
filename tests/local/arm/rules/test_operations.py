"""Asynchronous operations and the limit of deletions, over HTTP and alone."""

import time
from pathlib import Path

import pytest

from local.arm import launch
from local.arm.rules.door import ResourceManagerRules
from local.arm.rules.throttle import REST_HEADER, DeletionLimit, Throttle
from local.arm.rules.versions import load
from local.arm.store import Store
from local.arm.wire import ArmError, Call
from tests.local.arm.rules.conftest import Ask, Seen

GALLERY = "rg-gallery/providers/Microsoft.Compute/galleries/slow"
HERE = {"location": "westeurope"}


def followed(ask: Ask, arm: launch.RunningArm, url: str) -> Seen:
    """The last answer of an operation's address."""
    path, _, version = url.removeprefix(arm.arm).partition("?api-version=")
    end = time.monotonic() + 10
    while (seen := ask("GET", path, version=version)).status == 202:
        assert time.monotonic() < end
        assert seen.headers["Location"] == url
        assert "Retry-After" in seen.headers
    return seen


def test_a_put_names_where_to_ask_and_there_the_resource_is_found(ask: Ask, arm: launch.RunningArm) -> None:
    made = ask("PUT", GALLERY, HERE)
    assert made.status == 201
    assert made.body["properties"]["provisioningState"] == "Creating"
    assert int(made.headers["Retry-After"]) >= 0
    found = followed(ask, arm, made.headers["Location"])
    assert (found.status, found.body["name"]) == (200, "slow")
    assert found.body["properties"]["provisioningState"] == "Succeeded"
    status = followed(ask, arm, made.headers["Azure-AsyncOperation"]).body
    assert (status["status"], status["name"]) == (
        "Succeeded",
        made.headers["Location"].split("/")[-1].split("?")[0],
    )
    assert {"startTime", "endTime"} <= set(status)


def test_a_deletion_ends_with_204(ask: Ask, arm: launch.RunningArm) -> None:
    ask("PUT", GALLERY, HERE)
    gone = ask("DELETE", GALLERY)
    assert gone.status == 202
    assert gone.body is None
    assert followed(ask, arm, gone.headers["Location"]).status == 204
    assert ask("GET", GALLERY).status == 404


def test_a_failed_operation_shows_its_error_at_both_addresses(ask: Ask, arm: launch.RunningArm) -> None:
    body = {"properties": {"mode": "Incremental", "template": {"resources": []}}}
    made = ask("PUT", "rg-build/providers/Microsoft.Resources/deployments/empty", body)
    assert made.status == 201
    assert followed(ask, arm, made.headers["Azure-AsyncOperation"]).body["status"] == "Succeeded"
    assert ask("GET", f"/subscriptions/{arm.subscription_id}/operationresults/nothing").status == 404


def test_an_answer_to_a_deletion_says_how_many_are_left(ask: Ask) -> None:
    first, second = (int(ask("DELETE", GALLERY).headers[REST_HEADER]) for _ in range(2))
    assert second <= first < 200


def test_a_bucket_of_deletions_empties_and_fills(tmp_path: Path) -> None:
    now = [0.0]
    throttle = Throttle(DeletionLimit(bucket=3, per_second=2.0), clock=lambda: now[0])
    assert [throttle.take("s", "p") for _ in range(3)] == [2, 1, 0]
    with pytest.raises(ArmError) as refused:
        throttle.take("s", "p")
    assert (refused.value.status, refused.value.code) == (429, "SubscriptionRequestsThrottled")
    assert refused.value.headers["Retry-After"] == "1"
    assert throttle.take("s", "somebody else") == 2
    now[0] += 0.5
    assert throttle.take("S", "P") == 0
    now[0] += 3600
    assert throttle.take("s", "p") == 2


def test_a_group_that_is_being_deleted_takes_nothing_new() -> None:
    store = Store()
    rules = ResourceManagerRules(store, load(), Throttle(DeletionLimit()))
    group = "/subscriptions/s/resourceGroups/rg"
    store.put(group, "Microsoft.Resources/resourceGroups", {"properties": {"provisioningState": "Deleting"}})
    path = f"{group}/providers/Microsoft.Compute/galleries/g"
    with pytest.raises(ArmError) as refused:
        rules.check(_call("PUT", path), "p")
    assert (refused.value.status, refused.value.code) == (409, "ResourceGroupBeingDeleted")
    assert rules.check(_call("GET", path), "p") == {}


def _call(method: str, path: str) -> Call:
    query = {"api-version": "2024-03-03"}
    return Call(method=method, path=path, base="", query=query, headers={}, content=b"{}", names={})
