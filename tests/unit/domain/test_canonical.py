"""Bytes that are stored, digested or signed: held to literals, because a change would orphan what is stored."""

import hashlib
import math
from collections.abc import Callable

import pytest

from pipeline_core.domain import canonical, proofs
from pipeline_core.domain.fingerprint import sha256_of
from pipeline_core.domain.names import Digest
from pipeline_core.domain.signatures import PublicKey
from pipeline_core.wire import policy, provenance
from pipeline_core.wire.image_yaml import read

Encode = Callable[[object], bytes]
VALUE = {"é": [1, 1.0, 1e22, 0.1, None, True], "a": {"z": "\u2028<\U0001f600", "b": '"'}, "B": "x y"}
UTF_8 = (
    b'{"B":"x y","a":{"b":"\\"","z":"\xe2\x80\xa8<\xf0\x9f\x98\x80"},"\xc3\xa9":[1,1.0,1e+22,0.1,null,true]}'
)
ASCII = b'{"B":"x y","a":{"b":"\\"","z":"\\u2028<\\ud83d\\ude00"},"\\u00e9":[1,1.0,1e+22,0.1,null,true]}'
ALL = (canonical.text, canonical.tolerant_text, canonical.ascii_text)


@pytest.mark.parametrize(
    ("encode", "wanted"),
    [
        pytest.param(canonical.text, UTF_8, id="characters as they are"),
        pytest.param(canonical.tolerant_text, UTF_8, id="tolerant, on what text takes as well"),
        pytest.param(canonical.ascii_text, ASCII, id="escapes"),
    ],
)
def test_keys_are_sorted_and_nothing_is_between_them(encode: Encode, wanted: bytes) -> None:
    assert encode(VALUE) == wanted
    assert encode(dict(reversed(VALUE.items()))) == wanted


@pytest.mark.parametrize("encode", ALL)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_know_is_refused(encode: Encode, number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode({"score": number})


def test_a_lone_surrogate_is_refused_kept_or_escaped() -> None:
    with pytest.raises(UnicodeEncodeError):
        canonical.text("\ud800")
    assert canonical.tolerant_text("\ud800") == b'"\xed\xa0\x80"'
    assert canonical.ascii_text("\ud800") == b'"\\ud800"'


def test_a_row_keeps_the_order_of_its_fields_without_white_space() -> None:
    assert canonical.compact({"b": 1, "a": ["\u00e9", None]}) == '{"b":1,"a":["\u00e9",null]}'


def test_each_use_gives_the_bytes_that_it_always_gave() -> None:
    bundle = Digest("0" * 64)
    blob = b'{"bundle":"' + b"0" * 64 + b'","document":' + UTF_8 + b"}"
    assert read.definition_blob(VALUE, bundle) == blob
    assert policy.policy_blob(VALUE) == UTF_8
    assert provenance.canonical(VALUE) == ASCII
    assert sha256_of(VALUE) == hashlib.sha256(UTF_8).hexdigest()
    tags = {"Imagefactory-Build": "é\ud800", "imagefactory-provenance": "x", "cost": "1"}
    told = b'{"imagefactory-build":"\xc3\xa9\xed\xa0\x80"}'
    assert proofs.tags_digest(tags) == hashlib.sha256(told).hexdigest()
    # printf '{"crv":"P-256","kty":"EC","x":"AA","y":"BB"}' | openssl dgst -sha256 -binary | basenc --base64url
    assert PublicKey(x="AA", y="BB").id == "CeklDX4_DJrArRhgR02px71cEGk-KZ43X9yURY2Vg9Y"
