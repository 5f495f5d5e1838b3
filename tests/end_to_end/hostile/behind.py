"""Saturday: what is SecOps' alone, the parts behind the factory, and the local emulator itself."""

import base64
import json
import time
import urllib.parse
from typing import Any

from local.arm.vault import SIGNING_KEY
from tests.end_to_end.hostile.attempts import NO_ROLE, WHY, row
from tests.end_to_end.hostile.factory import (
    EVE,
    HOOK,
    POLICY,
    Answer,
    Caller,
    Do,
    Week,
    ask,
    exchange,
    over_tls,
)

CATALOG: dict[str, Any] = {"hosts": [], "entries": []}
_SOURCE = "/api/sources/RedHat:RHEL:9-lvm-gen2:westeurope/accept"
SECOPS = tuple(
    row(finding, f"{method} {path}", ask(method, path, caller, json=body, headers=headers), 403, NO_ROLE)
    for finding, method, path, body, headers in (
        (13, "PUT", "/api/pause", WHY, {}),
        (13, "POST", "/api/resume", WHY, {}),
        (6, "PUT", "/api/policy", {"document": POLICY}, {"If-Match": "*"}),
        (0, "PUT", "/api/platform", {"bundle": "{evil_bundle}", "catalog": CATALOG}, {}),
        (0, "POST", "/api/galleries/accept", WHY, {}),
        (0, "POST", _SOURCE, {"release": "9.6.2025112113", **WHY}, {}),
        (0, "POST", "/api/receivers", {"webhook": HOOK, "bases": True}, {}),
        (0, "DELETE", "/api/receivers/{pay_receiver}", None, {}),
        (0, "POST", "/api/receivers/{pay_receiver}/secret", None, {}),
        (0, "POST", "/api/receivers/{pay_receiver}/disable", WHY, {}),
        (0, "POST", "/api/receivers/{pay_receiver}/enable", {}, {}),
        (0, "POST", "/api/receivers/{pay_receiver}/replay", {}, {}),
        (0, "POST", "/api/receivers/{pay_receiver}/test", None, {}),
        (0, "POST", "/api/outages/retry", {"class": "registry"}, {}),
        (0, "POST", "/api/state/rebuild", {}, {}),
    )
    for caller in (EVE,)
)


def send(queue: str, message: dict[str, Any], caller: Caller | None) -> Do:
    """Put a forged message into a queue of the factory."""
    text = base64.b64encode(json.dumps(message).encode()).decode()
    data = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>"
    headers = {"x-ms-version": "2021-12-02", "Content-Type": "application/xml"}
    return over_tls(
        lambda week: f"{week.running.azurite.queue}/{queue}/messages",
        "POST",
        caller,
        data=data,
        headers=headers,
    )


def stored(service: str, path: str, method: str = "GET", caller: Caller | None = EVE, data: str = "") -> Do:
    """A request to blobs or tables."""
    headers = {"x-ms-version": "2021-12-02", "x-ms-blob-type": "BlockBlob", "Accept": "application/json"}
    return over_tls(
        lambda week: f"{getattr(week.running.azurite, service)}/{path}",
        method,
        caller,
        data=data,
        headers=headers,
    )


def arm(path: str, method: str = "GET", caller: Caller | None = EVE, data: str = "") -> Do:
    return over_tls(
        lambda week: f"{week.running.arm.arm}{path}?api-version=2023-07-03",
        method,
        caller,
        data=data,
        headers={"Content-Type": "application/json"},
    )


FORGED = {"schema": 1, "image": "pay-api", "reason": "rebuild-requested", "campaign": "forged"}
REPORT = {
    "schema": 1,
    "build": "pay-api.000000000000.1",
    "stage": "verify",
    "attempt": 1,
    "result": "succeeded",
}
ALIEN = Caller("eve", ("Factory.Admin", "Team.evil"), audience="https://storage.azure.com")
BEHIND = (
    *(
        row(0, f"a message in {queue} {how}", send(queue, message, caller), status, "AuthenticationFailed")
        for queue, message in (
            ("rebuild-requests", FORGED),
            ("build-events", REPORT),
            ("image-published", FORGED),
        )
        for how, caller, status in (("with the API's token", EVE, 403), ("without a token", None, 403))
    ),
    row(0, "reads a queue", stored("queue", "rebuild-requests/messages"), 403, "AuthenticationFailed"),
    row(0, "reads the images' rows", stored("table", "images()"), 403, "AuthenticationFailed"),
    row(
        0,
        "writes a row",
        stored("table", "images", "POST", data='{"PartitionKey":"x","RowKey":"y"}'),
        403,
        "AuthenticationFailed",
    ),
    row(
        13,
        "reads the bundle of payments as a blob",
        stored("blob", "bundles/{pay_bundle}"),
        403,
        "AuthenticationFailed",
    ),
    row(
        0, "replaces it", stored("blob", "bundles/{pay_bundle}", "PUT", data="x"), 403, "AuthenticationFailed"
    ),
    row(
        0,
        "writes a statement",
        stored("blob", "provenance/forged", "PUT", data="{}"),
        403,
        "AuthenticationFailed",
    ),
    row(0, "reads the live version in ARM", arm("{live_id}"), 401, "InvalidAuthenticationToken"),
    row(2, "deletes the live version in ARM", arm("{live_id}", "DELETE"), 401, "InvalidAuthenticationToken"),
    row(2, "deletes it without a token", arm("{live_id}", "DELETE", None), 401, "AuthenticationFailed"),
    row(2, "makes it anew", arm("{live_id}", "PUT", data="{}"), 401, "InvalidAuthenticationToken"),
    row(
        0,
        "signs with the factory's key",
        over_tls(
            lambda week: (
                f"{week.running.arm.vault}/keys/{SIGNING_KEY}/{week.facts['key']}/sign?api-version=7.4"
            ),
            "POST",
            data="{}",
        ),
        401,
        "InvalidAuthenticationToken",
    ),
)


def event(kind: str, week: Week) -> list[dict[str, Any]]:
    return [
        {
            "id": "forged",
            "topic": "x",
            "subject": week.facts["live_id"],
            "eventType": f"Microsoft.Resources.Resource{kind}Success",
            "eventTime": "2026-11-30T00:00:00Z",
            "dataVersion": "1",
            "data": {
                "resourceUri": week.facts["live_id"],
                "operationName": f"Microsoft.Compute/galleries/images/versions/{kind.lower()}",
            },
        }
    ]


def gallery_event(kind: str) -> Do:
    """A forged event of the live version. The local host asks for no key; the function looks at the gallery itself."""

    def do(week: Week) -> Answer:
        headers = {"aeg-event-type": "Notification"}
        place = f"/runtime/webhooks/EventGrid?functionName={OBSERVER}"
        log = week.running.host.log
        before = log.read_text("utf-8", "replace").count(f'"function": "{OBSERVER}"')
        answer = exchange(week.running.url, "POST", place, event(kind, week), None, headers)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if log.read_text("utf-8", "replace").count(f'"function": "{OBSERVER}"') > before:
                return Answer(answer.status, "it was looked at")
            time.sleep(0.2)
        return Answer(answer.status, "nobody looked at it within 20 s")

    return do


def control(method: str, path: str, headers: dict[str, str], body: Any = None) -> Do:
    def do(week: Week) -> Answer:
        address = urllib.parse.urlsplit(week.running.arm.control)
        return exchange(week.running.arm.control, method, f"{address.path}/{path}", body, None, headers)

    return do


OBSERVER = "observe_gallery_event"
ADMIN = {"subject": "eve", "audience": "api://imagefactory", "roles": ["Factory.Admin"], "groups": []}
SECRET = "X-Control-Secret"
CONTROL_REFUSED = "ControlForbidden"
LOCAL = (
    row(
        23, "an admin's token without the secret", control("POST", "tokens", {}, ADMIN), 403, CONTROL_REFUSED
    ),
    row(
        23,
        "by a page of a browser",
        control("POST", "tokens", {"Host": "evil.example", "Origin": "https://evil.example"}, ADMIN),
        403,
        CONTROL_REFUSED,
    ),
    row(23, "with an empty secret", control("POST", "tokens", {SECRET: ""}, ADMIN), 403, CONTROL_REFUSED),
    row(
        23,
        "with a guessed secret",
        control("POST", "tokens", {SECRET: "secret"}, ADMIN),
        403,
        CONTROL_REFUSED,
    ),
    row(
        23,
        "more rights for an identity",
        control("POST", "rights", {}, {"client_id": "x", "actions": ["*"]}),
        403,
        CONTROL_REFUSED,
    ),
    row(23, "faults", control("POST", "faults", {}, {"path_regex": ".*"}), 403, CONTROL_REFUSED),
    row(23, "the state", control("GET", "state", {}), 403, CONTROL_REFUSED),
    row(0, "an event that the live version was deleted", gallery_event("Delete"), 202, "it was looked at"),
    row(0, "an event that the live version was written", gallery_event("Write"), 202, "it was looked at"),
)
