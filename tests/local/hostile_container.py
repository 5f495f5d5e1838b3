"""A container that has left its builder: it tries all of its environment on another build's folder.

Run with the standard library alone. Each line of its output is a name and a status.
"""

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping

BLOBS, QUEUES = os.environ["IF_BLOB_ENDPOINT"], os.environ["IF_QUEUE_ENDPOINT"]
TARGET = os.environ["IF_TARGET"]  # the folder of another build
TRUST = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
DIRECT = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=TRUST)
)
VERSION = {"x-ms-version": "2026-06-06"}
BLOCK = {**VERSION, "x-ms-blob-type": "BlockBlob"}


def ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> int:
    """The status of one request."""
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers))
    try:
        with DIRECT.open(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def identity() -> dict[str, str]:
    """The header of a token of the container's identity, for storage."""
    query = urllib.parse.urlencode(
        {
            "api-version": "2019-08-01",
            "resource": "https://storage.azure.com",
            "client_id": os.environ["IF_CLIENT_ID"],
        }
    )
    url = f"{os.environ['IDENTITY_ENDPOINT']}?{query}"
    request = urllib.request.Request(url, headers={"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]})
    with DIRECT.open(request, timeout=20) as answer:
        return {"Authorization": f"Bearer {json.load(answer)['access_token']}"}


def by_identity() -> Iterator[tuple[str, int]]:
    """What the identity alone can do."""
    signed_in = identity()
    for name in ("started.json", "log.txt", "result.json", "new.json"):
        url = f"{BLOBS}/builds/{TARGET}/{name}"
        yield f"identity writes {name}", ask("PUT", url, {**BLOCK, **signed_in}, b"{}")
        yield f"identity reads {name}", ask("GET", url, {**VERSION, **signed_in})
        yield f"identity deletes {name}", ask("DELETE", url, {**VERSION, **signed_in})
    for container in ("builds", "bundles", "jobs", "provenance"):
        url = f"{BLOBS}/{container}?restype=container&comp=list"
        yield f"identity lists {container}", ask("GET", url, {**VERSION, **signed_in})
    url = f"{BLOBS}/?restype=service&comp=userdelegationkey"
    yield (
        "identity asks for a key that signs tokens",
        ask("POST", url, {**VERSION, **signed_in}, b"<KeyInfo/>"),
    )
    for queue in ("build-events", "build-steps"):
        url = f"{QUEUES}/{queue}/messages"
        yield f"identity reads {queue}", ask("GET", url, {**VERSION, **signed_in})
    body = b"<QueueMessage><MessageText>e30=</MessageText></QueueMessage>"
    yield (
        "identity sends to build-steps",
        ask("POST", f"{QUEUES}/build-steps/messages", {**VERSION, **signed_in}, body),
    )
    yield "hint", ask("POST", f"{QUEUES}/build-events/messages", {**VERSION, **signed_in}, body)


def by_token() -> Iterator[tuple[str, int]]:
    """What each part of the token can do there."""
    token = json.loads(os.environ["IF_BLOB_TOKEN"])
    for place, own in token["own"].items():
        for name in ("started.json", "result.json", "new.json"):
            url = f"{BLOBS}/builds/{TARGET}/{name}?{token['shared']}&{own}"
            yield f"{place} writes {name}", ask("PUT", url, BLOCK, b"{}")
            yield f"{place} reads {name}", ask("GET", url, VERSION)
    (mine,) = (place for place in token["own"] if place.endswith("/result.json"))
    query = f"{token['shared']}&{token['own'][mine]}"
    yield "own report", ask("PUT", f"{BLOBS}/{mine}?{query}", {**BLOCK, "If-None-Match": "*"}, b"{}")
    yield "own report again", ask("PUT", f"{BLOBS}/{mine}?{query}", BLOCK, b"[]")
    yield "own report deleted", ask("DELETE", f"{BLOBS}/{mine}?{query}", VERSION)


if __name__ == "__main__":
    for got in (*by_identity(), *by_token()):
        print(json.dumps(got), flush=True)
