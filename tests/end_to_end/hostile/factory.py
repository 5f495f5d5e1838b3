"""The factory that team evil attacks: its seed, the callers, and how they ask."""

import base64
import http.client
import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from azure.storage.blob import BlobServiceClient
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from imagefactory import folders, registration
from imagefactory.client import Client
from imagefactory.main import app
from local.run import demonstration, stack, storage, story
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.receivers import ReceiverId
from simulation import fleet

GROUP = "a1b2c3d4-1111-4222-8333-444455556666"  # of payments, as FACTORY_TEAM_GROUPS says
BASE, OLD_BASE, PAY, GONE = "sec-base", "old-base", "pay-api", "pay-gone"
STRANGERS = (BASE, OLD_BASE, PAY, GONE)
HOOK = "https://hooks.factory.corp/payments"
SOURCE = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2"}
IMAGES, REQUESTS, BUNDLES, CHANGES = 3, 3, 6, 90  # limits: of evil; the last of each caller in a minute
BIG = 5 * 1024 * 1024  # bytes of a log, more than one answer may have
# An image that never builds: attempts are about what is stored, and builds would only cost time.
SUSPENDED = {"suspend": True}
POLICY = {
    "apiVersion": "imagefactory/v1",
    "kind": "Policy",
    "metadata": {"description": "the floor"},
    "spec": {
        "waivers": {"grantors": ["role:Factory.Admin"], "longest": "90d"},
        "sources": [SOURCE],
        "limits": {
            "machineSizes": [fleet.SIZE],
            "timeout": "2h",
            "replicas": 2,
            "regions": 1,
            "changesPerMinute": CHANGES,
            "teams": {"evil": {"images": IMAGES, "requestsPerDay": REQUESTS, "bundlesPerDay": BUNDLES}},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt got: the status of HTTP, or the exit code of a command; and the whole text with headers."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A person with a token of this shape. `name` is the display name, the subject if it is empty."""

    subject: str
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    name: str = ""
    is_id_token: bool = False
    audience: str = stack.AUDIENCE
    seconds: int = 3600


@dataclass(slots=True, kw_only=True)
class Week:
    """A running factory with the images of SecOps and payments. `facts` fills the paths of attempts."""

    running: stack.Stack
    folder: Path
    facts: dict[str, str] = field(default_factory=dict)
    tokens: dict[Caller, str] = field(default_factory=dict)
    own_digests: set[str] = field(default_factory=set)  # bundles that team evil stored by right

    def token(self, caller: Caller) -> str:
        """Its token, minted once."""
        if caller not in self.tokens:
            wanted = {
                "subject": caller.subject,
                "audience": caller.audience,
                "roles": list(caller.roles),
                "groups": list(caller.groups),
                "name": caller.name,
                "is_id_token": caller.is_id_token,
                "seconds": caller.seconds,
            }
            self.tokens[caller] = str(self.running.arm.ask("POST", "tokens", wanted)["access_token"])
        return self.tokens[caller]

    def client(self, caller: Caller) -> Client:
        ca_file = str(self.running.arm.ca_file)
        return Client(url=self.running.url, token=self.token(caller), ca_file=ca_file)

    def filled(self, value: Any) -> Any:
        """A path, body or header with `{name}` replaced by what `facts` has of it."""
        if isinstance(value, str):
            for name, fact in self.facts.items():
                value = value.replace("{" + name + "}", fact)
            return value
        if isinstance(value, Mapping):
            return {key: self.filled(each) for key, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value


OPERATOR = Caller("operator", ("Factory.Admin",))
PAYMENTS = Caller("penny", ("Team.payments",))
# Three of one team, because a caller has a limit of changes in a minute.
EVE, EVA, IDA = (Caller(name, ("Team.evil",)) for name in ("eve", "eva", "ida"))
Do = Callable[[Week], Answer]


def ask(
    method: str,
    path: str,
    caller: Caller | None = EVE,
    *,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Do:
    """A request to the factory, with the bytes of the path as they stand: no library tidies it."""

    def do(week: Week) -> Answer:
        sent = dict(week.filled(headers or {}))
        if caller is not None:
            sent["Authorization"] = f"Bearer {week.token(caller)}"
        return exchange(week.running.url, method, week.filled(path), week.filled(json), content, sent)

    return do


def exchange(
    url: str, method: str, path: str, body: Any, content: bytes | None, headers: Mapping[str, str]
) -> Answer:
    """One request over plain HTTP to this machine."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    sent = dict(headers)
    if body is not None:
        content = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    try:
        connection.putrequest(method, path, skip_host="Host" in sent)
        for name, value in {"Content-Length": str(len(content or b"")), **sent}.items():
            connection.putheader(name, value)
        connection.endheaders(content or None)
        got = connection.getresponse()
        text = got.read().decode("utf-8", "replace")
        return Answer(got.status, f"{text}\n{got.headers}")
    finally:
        connection.close()


def over_tls(place: Callable[[Week], str], method: str, caller: Caller | None = EVE, **options: Any) -> Do:
    """A request to a service behind the factory (storage, ARM, vault), whose authority the caller trusts."""

    def do(week: Week) -> Answer:
        headers = dict(options.get("headers", {}))
        if caller is not None:
            headers["Authorization"] = f"Bearer {week.token(caller)}"
        with requests.Session() as session:
            session.trust_env = False
            got = session.request(
                method,
                week.filled(place(week)),
                headers=headers,
                data=options.get("data"),
                verify=str(week.running.arm.ca_file),
                timeout=30,
            )
        return Answer(got.status_code, f"{got.text}\n{got.headers}")

    return do


def command(week: Week, *words: str, url: str = "") -> Answer:
    """`imagefactory` as a member of team evil calls it, in this process: a new one costs seconds each time.

    A traceback is the status 99, which no command has.
    """
    environment = {
        "IMAGEFACTORY_URL": url or week.running.url,
        "IMAGEFACTORY_TOKEN": week.token(EVA),
        "COLUMNS": "300",
        "NO_PROXY": "127.0.0.1",
    }
    done = CliRunner().invoke(app, list(words), env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return Answer(99, repr(done.exception))
    return Answer(done.exit_code, done.output)


def document(name: str, parent: str | None = BASE, team: str = "evil", **more: Any) -> dict[str, Any]:
    """A definition; `suspend` unless `rebuild` says otherwise."""
    return fleet.document(name, parent, team=team, source=SOURCE, **{**SUSPENDED, **more})


def bundle(text: str) -> tuple[str, bytes]:
    """A bundle of one script, with its digest."""
    digest, content = fleet.bundle(text)
    return str(digest), content


def seed(week: Week) -> None:
    """Two bases, and two images of payments: one of each is deleted, and leaves its live version."""
    admin = week.client(OPERATOR)
    images = demonstration.prepare(stack.CHECKOUT / "images", week.folder / demonstration.FOLDER)
    story.bring_tools(admin, images, 120.0)
    platform = folders.load_platform(images)
    registration.register_platform(admin, platform)
    admin.put_policy(POLICY, None)
    hook = [{"webhook": HOOK, "events": ["build.failed"]}]
    _register(week, OPERATOR, fleet.document(BASE, None, source=SOURCE))
    _register(week, OPERATOR, fleet.document(OLD_BASE, None, source=SOURCE))
    _register(week, PAYMENTS, fleet.document(PAY, BASE, team="payments", notify=hook))
    _register(week, PAYMENTS, fleet.document(GONE, BASE, team="payments"))
    shown = _wait_until_current(week)
    for name, caller in ((OLD_BASE, OPERATOR), (GONE, PAYMENTS)):
        _expect(week, "DELETE", f"/api/images/{name}", caller, 204, headers={"If-Match": shown[name][1]})
    provenance = admin.get_provenance(PAY, shown[PAY][0]["version"])
    week.facts |= {
        "base_build": shown[BASE][0]["builds"][0]["id"],
        "base_version": shown[BASE][0]["version"],
        "base_etag": shown[BASE][1],
        "pay_build": shown[PAY][0]["builds"][0]["id"],
        "pay_version": shown[PAY][0]["version"],
        "pay_etag": shown[PAY][1],
        "gone_version": shown[GONE][0]["version"],
        "pay_bundle": bundle("payments")[0],
        "platform_bundle": str(platform.bundle.digest),
        "pay_receiver": str(ReceiverId.of(HOOK, TeamName("payments"))),
        "tenant": week.running.arm.tenant_id,
        "live_id": provenance["subject"],
    }
    keys = admin.list_provenance_keys()
    week.facts["key"] = keys[0]["kid"]
    (week.folder / "pinned.pem").write_bytes(_pem(keys))
    with blobs_of(week) as blobs:
        log = blobs.get_blob_client("builds", f"{week.facts['pay_build']}/verify-1/log.txt")
        log.upload_blob(b"x" * BIG, overwrite=True)
    _start_evil(week)


def _start_evil(week: Week) -> None:
    """One image of team evil, and one bundle: what it may have."""
    digest, content = bundle("evil")
    week.facts["evil_bundle"] = digest
    week.own_digests.add(digest)
    _expect(week, "PUT", f"/api/bundles/{digest}", EVE, 201, content=content)
    body = {"document": document("evil-own"), "bundle": digest}
    _expect(week, "PUT", "/api/images/evil-own", EVE, 201, json=body, headers={"If-None-Match": "*"})
    week.facts["evil_etag"] = week.client(EVE).get_image("evil-own")[1]


def _register(week: Week, caller: Caller, wanted: Mapping[str, Any]) -> None:
    digest, content = bundle("payments" if caller is PAYMENTS else "secops")
    name = wanted["metadata"]["name"]
    ask("PUT", f"/api/bundles/{digest}", caller, content=content)(week)
    body = {"document": dict(wanted), "bundle": digest}
    _expect(week, "PUT", f"/api/images/{name}", caller, 201, json=body, headers={"If-None-Match": "*"})


def _expect(week: Week, method: str, path: str, caller: Caller, status: int, **options: Any) -> None:
    answer = ask(method, path, caller, **options)(week)
    if answer.status != status:
        raise AssertionError(f"the seed failed: {method} {path}: {answer}")


def _wait_until_current(week: Week) -> dict[str, tuple[dict[str, Any], str]]:
    admin, deadline = week.client(OPERATOR), time.monotonic() + 75
    while True:
        shown = {name: admin.get_image(name) for name in STRANGERS}
        if all(view["state"] == "current" and not view["active_build"] for view, _ in shown.values()):
            return shown
        if time.monotonic() > deadline:
            states = {name: (view["state"], view["detail"]) for name, (view, _) in shown.items()}
            raise AssertionError(f"the seed was not built in time: {states}")
        time.sleep(0.5)


def _pem(keys: list[dict[str, Any]]) -> bytes:
    x, y = (int.from_bytes(base64.urlsafe_b64decode(keys[0][each] + "=="), "big") for each in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def operator_options(week: Week) -> dict[str, Any]:
    """How the operator of Azure opens a client of the storage account."""
    return {
        "credential": storage.OperatorCredential(week.running.arm),
        "connection_verify": str(week.running.arm.ca_file),
        "use_env_settings": False,
    }


def blobs_of(week: Week) -> BlobServiceClient:
    """All blobs, as the operator of Azure sees them."""
    return BlobServiceClient(week.running.azurite.blob, **operator_options(week))
