"""Envelopes and statements that anybody may have written; and a second opinion on ours, by another implementation."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import (  # type: ignore[attr-defined]  # the package names no exports
    CryptoSigner,
    SSlibKey,
)

from pipeline_core.domain.errors import InvalidValue, MalformedMessage
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.signatures import PAYLOAD_TYPE, PublicKey
from pipeline_core.wire import es256, provenance
from pipeline_core.wire.provenance import Envelope, read_statement

KEY = ec.derive_private_key(7, ec.SECP256R1())
PUBLIC = es256.public_of(KEY)


def statement(**changed: Any) -> dict[str, Any]:
    """A statement with all that we read."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "the id", "digest": {"sha256": "d" * 64}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "b",
                "externalParameters": {"lane": "SECURITY"},
                "internalParameters": {"fingerprint": "f" * 64},
                "resolvedDependencies": [
                    {"uri": "imagefactory:bundle", "digest": {"sha256": "1" * 64}},
                    {"uri": "imagefactory:catalog/tool@1@2", "digest": {"sha256": "2" * 64}},
                ],
            },
            "runDetails": {
                "builder": {"id": "x"},
                "metadata": {"invocationId": "app.0123456789ab.1"},
                "byproducts": [
                    {"name": "log.txt", "uri": "u"},
                    {
                        "name": "imagefactory:gates",
                        "annotations": {
                            "hygiene": {"passed": True},
                            "boot": {"passed": False, "evidence": "e", "simulated": True, "score": 2.5},
                        },
                    },
                ],
            },
        },
        **changed,
    }


def envelope(content: bytes = b"{}", **changed: Any) -> dict[str, Any]:
    signed = Envelope.of(content, es256.sign(KEY, provenance.signed_message(content)))
    return {**json.loads(signed.to_wire()), **changed}


def read(given: object) -> Envelope:
    return Envelope.from_wire(json.dumps(given).encode())


def is_believed(given: Envelope, key: PublicKey = PUBLIC) -> bool:
    message = given.signed_message()
    return any(es256.is_signed(key, message, each.value) for each in given.to_domain())


def test_an_envelope_comes_back_as_it_was_written() -> None:
    signed = read(envelope(b"\x00payload"))
    assert (signed.content(), signed.payload_type) == (b"\x00payload", PAYLOAD_TYPE)
    assert [each.key for each in signed.to_domain()] == [PUBLIC.id]
    assert Envelope.from_wire(signed.to_wire()) == signed
    assert is_believed(signed)


def test_a_changed_payload_is_signed_by_nobody() -> None:
    other = base64.b64encode(b"{ }").decode()
    assert not is_believed(read(envelope(payload=other)))
    assert not is_believed(read(envelope()), es256.public_of(ec.generate_private_key(ec.SECP256R1())))


CHANGED: dict[str, dict[str, Any]] = {
    "another type": {"payloadType": "text/plain"},
    "no type": {"payloadType": ""},
    "a payload that is no text": {"payload": 7},
    "no signature": {"signatures": []},
    "signatures that are no list": {"signatures": {}},
    "a signature without a value": {"signatures": [{"keyid": "k"}]},
    "many signatures": {"signatures": [{"sig": "AAAA"}] * 9},
    "a long signature": {"signatures": [{"sig": "A" * 2001}]},
}
CASES: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "no JSON": b"not json",
    "no UTF-8": b"\xff\xfe",
    "an empty object": b"{}",
    "deep": b"[" * 100_000,
    "huge": b" " * (provenance.ENVELOPE_LIMIT + 1),
    **{name: json.dumps(envelope(**changed)).encode() for name, changed in CHANGED.items()},
}


@pytest.mark.parametrize("content", CASES.values(), ids=CASES.keys())
def test_what_is_not_an_envelope_around_a_statement_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage) as refused:
        Envelope.from_wire(content)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("text", ["not base64!", "A", "é", "AA==A"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage, match="payload is not base64"):
        read(envelope(payload=text)).content()
    with pytest.raises(MalformedMessage, match="signature is not base64"):
        read(envelope(signatures=[{"sig": text}])).to_domain()


def test_both_alphabets_of_base64_are_taken() -> None:
    payload = b"\xfb\xff\xfe"
    assert read(envelope(payload="-__-")).content() == read(envelope(payload="+//+")).content() == payload


def test_a_statement_is_read_whole() -> None:
    proof = read_statement(provenance.canonical(statement()))
    assert (proof.subject, proof.tags) == ("the id", "d" * 64)
    assert (proof.build, proof.fingerprint, proof.lane) == (
        "app.0123456789ab.1",
        "f" * 64,
        Lane.SECURITY,
    )
    assert proof.catalog == (("tool", "1@2", "2" * 64),)
    assert [(each.gate, each.passed, each.score) for each in proof.verdicts] == [
        ("boot", False, 2.5),
        ("hygiene", True, None),
    ]
    assert proof.simulated == ("boot",)


@pytest.mark.parametrize(
    "changed",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "https://slsa.dev/provenance/v0.2"},
        {"subject": []},
        {"subject": [{"name": "a"}, {"name": "b"}]},
        {"predicate": {}},
        {"predicate": None},
        {"predicate": {"buildDefinition": {"externalParameters": {}}, "runDetails": {"metadata": {}}}},
    ],
)
def test_a_statement_of_another_kind_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage, match="not provenance of this factory"):
        read_statement(provenance.canonical(statement(**changed)))


@pytest.mark.parametrize("passed", ["yes", 1, None, {}])
def test_a_verdict_that_is_neither_yes_nor_no_is_refused(passed: object) -> None:
    said = statement()
    said["predicate"]["runDetails"]["byproducts"][1]["annotations"]["boot"]["passed"] = passed
    with pytest.raises(MalformedMessage):
        read_statement(provenance.canonical(said))


def test_a_statement_that_leaves_things_out_says_less_and_never_more() -> None:
    said = statement()
    said["subject"] = [{"name": "the id"}]
    said["predicate"]["buildDefinition"] = {"externalParameters": {"lane": "FASTEST"}}
    said["predicate"]["runDetails"]["byproducts"] = []
    proof = read_statement(provenance.canonical(said))
    assert (proof.tags, proof.fingerprint, proof.verdicts, proof.catalog) == ("", "", (), ())
    assert proof.lane is Lane.BACKGROUND


def test_a_huge_statement_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedMessage, match="more than"):
        read_statement(b"{" + b" " * provenance.STATEMENT_LIMIT)


def test_another_implementation_believes_what_we_sign_and_nothing_else() -> None:
    pinned = serialization.load_pem_public_key(es256.public_pem(PUBLIC))
    key = SSlibKey.from_crypto(pinned, keyid=PUBLIC.id)
    payload = provenance.canonical(statement())
    theirs = OtherEnvelope.from_dict(envelope(payload))
    assert list(theirs.verify([key], 1)) == [PUBLIC.id]
    assert theirs.payload == payload
    changed = OtherEnvelope.from_dict(envelope(payload, payload=base64.b64encode(payload + b" ").decode()))
    with pytest.raises(VerificationError):
        changed.verify([key], 1)


def test_we_believe_what_another_implementation_signs_with_our_key() -> None:
    theirs = OtherEnvelope(b"{}", PAYLOAD_TYPE, {})
    theirs.sign(CryptoSigner(KEY))
    assert is_believed(read(theirs.to_dict()))


@pytest.mark.parametrize(
    "key", [PublicKey(x=PUBLIC.y, y=PUBLIC.x), PublicKey(x="", y=""), PublicKey(x="é", y="A")]
)
def test_what_is_not_a_point_of_the_curve_signs_nothing(key: PublicKey) -> None:
    assert not is_believed(read(envelope()), key)
    with pytest.raises(InvalidValue):
        es256.public_pem(key)


@pytest.mark.parametrize("pem", [b"", b"x", es256.public_pem(PUBLIC).replace(b"M", b"N", 1)])
def test_what_is_not_a_public_key_is_refused(pem: bytes) -> None:
    with pytest.raises(InvalidValue):
        es256.read_public(pem)


def test_a_short_envelope_and_its_statement_are_parsed_once() -> None:
    payload = provenance.canonical(statement())
    content = json.dumps(envelope(payload)).encode()
    first, again = Envelope.from_wire(content), Envelope.from_wire(bytes(bytearray(content)))
    assert again is first
    assert read_statement(bytes(bytearray(payload))) is read_statement(payload)


def test_a_long_one_is_parsed_each_time_so_that_it_takes_no_memory() -> None:
    payload = provenance.canonical(statement(long="x" * provenance._SHORT))
    content = json.dumps(envelope(payload)).encode()
    first, again = Envelope.from_wire(content), Envelope.from_wire(content)
    assert again == first
    assert again is not first
    assert read_statement(payload) == read_statement(payload)
    assert read_statement(payload) is not read_statement(payload)


def test_an_answer_about_a_signature_is_kept_for_these_very_bytes_alone() -> None:
    signature = es256.sign(KEY, b"said").value
    assert es256.is_signed(PUBLIC, b"said", signature)
    before = es256._kept_answer.cache_info()
    assert es256.is_signed(PUBLIC, b"said", signature)
    assert es256._kept_answer.cache_info().hits == before.hits + 1
    assert not es256.is_signed(PUBLIC, b"said ", signature)
    assert not es256.is_signed(PUBLIC, b"said", signature[:-1] + bytes([signature[-1] ^ 1]))
    assert not es256.is_signed(PublicKey(x=PUBLIC.y, y=PUBLIC.x), b"said", signature)


def test_an_answer_about_a_long_message_takes_no_memory() -> None:
    message, before = b"x" * (es256._SHORT + 1), es256._kept_answer.cache_info()
    assert es256.is_signed(PUBLIC, message, es256.sign(KEY, message).value)
    assert es256._kept_answer.cache_info() == before
