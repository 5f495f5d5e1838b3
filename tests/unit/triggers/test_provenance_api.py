"""The routes of provenance: an envelope as it was signed, null where there is none, and keys as a JWK set."""

import pytest
from jwt import PyJWKSet

from pipeline_core.domain.signatures import PublicKey
from pipeline_core.wire import es256
from pipeline_core.wire.provenance import Envelope
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.provenance_twins import PAYLOAD, VERSION
from tests.unit.triggers.twins import TwinFactory

READER = {"Authorization": "Bearer good.reader"}
PATH = f"/api/images/payments-api/versions/{VERSION}/provenance"


def test_a_version_is_shown_with_the_envelope_that_its_key_signed(
    client: AsgiClient, factory: TwinFactory
) -> None:
    shown = client.get(PATH, headers=READER).json()
    assert shown["subject"].endswith(f"/payments-api/versions/{VERSION}")
    assert (shown["state"], shown["excluded_from_latest"]) == ("ready", False)
    assert shown["tags"] == {"imagefactory-build": "b"}
    assert (shown["source"], shown["disk_gb"]) == ("/subscriptions/s/images/q", 64)
    assert shown["published_at"] == "2026-11-21T09:30:01.250000Z"
    assert shown["publication"] == shown["envelope"]
    assert set(shown["envelope"]) == {"payload", "payloadType", "signatures"}
    envelope = Envelope.model_validate(shown["envelope"])
    assert envelope.content() == PAYLOAD
    (jwk,) = client.get("/api/provenance/keys", headers=READER).json()["keys"]
    key = PublicKey(x=jwk["x"], y=jwk["y"])
    (signature,) = envelope.to_domain()
    assert signature.key == jwk["kid"] == key.id
    assert es256.is_signed(key, envelope.signed_message(), signature.value)


def test_keys_are_a_set_that_other_tools_read(client: AsgiClient, factory: TwinFactory) -> None:
    factory.proofs.signer.rotate()
    keys = client.get("/api/provenance/keys", headers=READER).json()
    assert [key.algorithm_name for key in PyJWKSet.from_dict(keys).keys] == ["ES256", "ES256"]
    assert all(set(key) == {"kty", "crv", "x", "y", "use", "alg", "kid"} for key in keys["keys"])


def test_a_version_without_an_envelope_says_so(client: AsgiClient, factory: TwinFactory) -> None:
    factory.proofs.signed = False
    shown = client.get(PATH, headers=READER).json()
    assert (shown["envelope"], shown["publication"]) == (None, None)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/images/payments-api/versions/1.20261121.2/provenance", 404),
        ("/api/images/other/versions/1.20261121.1/provenance", 404),
        ("/api/images/payments-api/versions/latest/provenance", 400),
        ("/api/images/payments-api/versions/1.2/provenance", 400),
        ("/api/images/Payments/versions/1.2.3/provenance", 400),
    ],
)
def test_what_is_not_a_version_is_a_problem(path: str, status: int, client: AsgiClient) -> None:
    answer = client.get(path, headers=READER)
    assert answer.status_code == status
    assert answer.json()["status"] == status
