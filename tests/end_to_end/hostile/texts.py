"""Thursday and Friday: texts, ids and addresses; what a consumer's command believes and survives."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.arm.identity.tokens import object_id
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.receivers import ReceiverId
from tests.end_to_end.hostile.attempts import NEW, WHY, changed, put, row
from tests.end_to_end.hostile.factory import IDA, Answer, Caller, Do, Week, ask, command, document

INVALID = "problem:invalid-document"

HIDDEN = {"NUL": "\0", "ESC": "\x1b[2J", "U+202E": "\u202e", "U+200B": "\u200b", "a line end": "\n"}
TEXTS = (
    *(
        row(
            22,
            f"{name} in a reason",
            ask("POST", "/api/images/evil-own/builds", IDA, json={"reason": f"a{text}b"}),
            422,
            "hidden character",
        )
        for name, text in HIDDEN.items()
    ),
    *(
        row(
            22,
            f"{name} in a description",
            put("evil-new", IDA, document=changed(metadata_description=f"a{text}b")),
            422,
            "hidden",
        )
        for name, text in HIDDEN.items()
        if text != "\n"
    ),
    row(
        22,
        "a line end in an owner",
        put("evil-new", IDA, document=changed(metadata_owners=["eve@example.com\nX: y"])),
        422,
        INVALID,
    ),
    *(
        row(
            24,
            f"{method} {path}",
            ask(method, path, IDA, json=WHY if method == "POST" else None),
            400,
            "problem:invalid-request",
        )
        for method, path in (
            ("GET", "/api/images/UPPER"),
            ("GET", "/api/images/" + "a" * 300),
            ("GET", "/api/images/-x"),
            ("GET", "/api/images/%00"),
            ("GET", "/api/builds/PAY.1"),
            ("GET", "/api/builds/pay-api.zz.1"),
            ("GET", "/api/images/pay-api/versions/1/sbom"),
            ("GET", "/api/images?after=%00"),
            ("GET", "/api/images/pay-api/journal?cursor=zz'%20or%201"),
            ("POST", "/api/poison/..%5Cx/requeue"),
            ("POST", "/api/receivers/'x'/test"),
            ("GET", "/api/policy/versions/x"),
        )
    ),
    row(
        24,
        "a digest in upper case",
        ask("PUT", "/api/bundles/" + "AB" * 32, IDA, content=b"x"),
        400,
        "problem:invalid-request",
    ),
    row(
        24,
        "NaN in a document",
        ask(
            "PUT",
            "/api/images/evil-new",
            IDA,
            content=b'{"document": {"a": NaN}, "bundle": "x"}',
            headers={"Content-Type": "application/json", **NEW},
        ),
        422,
        "holds a number that is not finite",
    ),
    row(
        24,
        "depth",
        ask(
            "PUT",
            "/api/images/evil-new",
            IDA,
            content=b'{"document":' + b"[" * 20000,
            headers={"Content-Type": "application/json", **NEW},
        ),
        400,
        "There was an error parsing the body",
    ),
)

# Addresses that a team must not let the factory ask (20).
LITERALS = (
    "http://example.com/x",
    "https://127.0.0.1/x",
    "https://169.254.169.254/metadata",
    "https://2130706433/x",
    "https://0x7f000001/x",
    "https://0177.0.0.1/x",
    "https://127.1/x",
    "https://[::1]/x",
    "https://[::ffff:169.254.169.254]/x",
    "https://[64:ff9b::a9fe:a9fe]/x",
    "https://168.63.129.16/x",
    "https://10.0.0.1/x",
    "https://user:pw@hooks.example.com/x",
    "https://hooks.example.com\\@127.0.0.1/x",
    "https://１２７.0.0.1/x",
    "file:///etc/passwd",
)


def try_receiver(address: str) -> Do:
    """Give the own image this receiver, and let the factory send it a trial."""

    def do(week: Week) -> Answer:
        etag = week.client(IDA).get_image("evil-own")[1]
        wanted = document("evil-own", notify=[{"webhook": address, "events": ["build.failed"]}])
        made = put("evil-own", IDA, on=etag, document=wanted)(week)
        if made.status != 200:
            return made
        place = f"/api/receivers/{ReceiverId.of(address, TeamName('evil'))}"
        secret = ask("POST", f"{place}/secret", IDA)(week)
        return ask("POST", f"{place}/test", IDA)(week) if secret.status == 200 else secret

    return do


ADDRESSES = (
    *(
        row(
            20,
            address,
            put("evil-new", IDA, document=changed(notify=[{"webhook": address, "events": ["build.failed"]}])),
            422,
            "spec.notify[0].webhook",
        )
        for address in LITERALS
    ),
    row(
        20,
        "a name of this machine",
        try_receiver("https://localhost/x"),
        422,
        "a name of the internal network",
    ),
)


# Somebody else's display name (8).
PRETENDER = Caller("eve", ("Team.evil",), name="operator")


def named_line(week: Week) -> Answer:
    """Ask for a build as "operator": whom the newest line of the journal names."""
    asked = ask("POST", "/api/images/evil-own/builds", PRETENDER, json={"reason": "approved by SecOps"})(week)
    shown = ask("GET", "/api/images/evil-own/journal?limit=5", IDA)(week)
    return shown if asked.status == 202 else asked


NAMES = (row(8, "SecOps' display name", named_line, 200, f'"identity":"user:{object_id("eve")}@'),)


@contextmanager
def replaying(shown: Any) -> Iterator[str]:
    """A factory on this machine that gives this one answer to every question."""
    body = json.dumps(shown).encode()

    class Replay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Replay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def verify(change: Callable[[Any, Week], Any]) -> Do:
    """`imagefactory verify` of payments' version, with a pinned key, by a server that changes what it knows."""

    def do(week: Week) -> Answer:
        name = f"pay-api@{week.facts['pay_version']}"
        shown = week.client(IDA).get_provenance("pay-api", week.facts["pay_version"])
        with replaying(change(shown, week)) as url:
            return command(week, "verify", name, "--key", str(week.folder / "pinned.pem"), url=url)

    return do


def genuine(shown: Any, _: Week) -> Any:
    return shown


def of_another_image(_: Any, week: Week) -> Any:
    return week.client(IDA).get_provenance("sec-base", week.facts["base_version"])


def with_the_envelope_of_another(shown: Any, week: Week) -> Any:
    return {**shown, "envelope": of_another_image(shown, week)["envelope"]}


def with_other_tags(shown: Any, _: Week) -> Any:
    return {**shown, "tags": {**shown["tags"], "imagefactory-build": "evil-own.0123456789ab.1"}}


def with_a_changed_payload(shown: Any, _: Week) -> Any:
    envelope = shown["envelope"]
    said = (
        base64.b64decode(envelope["payload"])
        .replace(b"westeurope", b"northeurope")
        .replace(b"pay-api", b"evil-own")
    )
    return {**shown, "envelope": {**envelope, "payload": base64.b64encode(said).decode()}}


def without_an_envelope(shown: Any, _: Week) -> Any:
    return {**shown, "envelope": None}


NOT = "is NOT verified"
PROOFS = (
    row(1, "a signed statement about another image", verify(of_another_image), 1, NOT),
    row(1, "its envelope alone", verify(with_the_envelope_of_another), 1, NOT),
    row(0, "tags of another build", verify(with_other_tags), 1, NOT),
    row(0, "a changed payload", verify(with_a_changed_payload), 1, NOT),
    row(0, "no statement", verify(without_an_envelope), 1, NOT),
)


def validate(text: str) -> Do:
    """`imagefactory validate` of a folder with this image.yaml. A traceback is an answer of its own."""

    def do(week: Week) -> Answer:
        folder = week.folder / "validated"
        folder.mkdir(exist_ok=True)
        (folder / "image.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
        answer = command(week, "validate", str(folder))
        return Answer(99, answer.text) if "Traceback" in answer.text else answer

    return do


YAML = (
    row(
        21,
        "an escape that is no character",
        validate('a: "\\U00110000"'),
        1,
        "has an escape that is not a character",
    ),
    row(21, "half of a character", validate('a: "\\uD800"'), 1, "has an escape that is not a character"),
    row(21, "an alias bomb", validate("a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]"), 1, "is an alias"),
    row(21, "depth", validate("[" * 5000), 1, "is nested deeper than 20 levels"),
    row(21, "an object of Python", validate("a: !!python/object/apply:os.system [id]"), 1, "remove the tag"),
    row(21, "a NUL", validate("a: \0"), 1, "is not YAML"),
)
