"""Names of keys and what is signed, held against the examples of the standards that define them."""

from pipeline_core.domain.signatures import PublicKey, pre_authentication_encoding

KEY = PublicKey(
    x="MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", y="4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
)  # the public key of RFC 7517, appendix A.1


def test_a_key_is_named_by_its_thumbprint() -> None:
    # openssl: the SHA-256 of {"crv":"P-256","kty":"EC","x":"MKBC...","y":"4Etl..."}, in base64url
    assert KEY.id == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    assert KEY.to_jwk() == {
        "kty": "EC",
        "crv": "P-256",
        "x": KEY.x,
        "y": KEY.y,
        "use": "sig",
        "alg": "ES256",
        "kid": KEY.id,
    }


def test_what_is_signed_is_the_example_of_dsse() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_type_and_payload_cannot_be_taken_for_each_other() -> None:
    first = pre_authentication_encoding("a", b"b 1 c")
    assert first != pre_authentication_encoding("a 5 b", b"c")
    assert pre_authentication_encoding("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_the_thumbprint_of_a_key_is_computed_once_and_is_its_own() -> None:
    one, other = PublicKey(x="a" * 43, y="b" * 43), PublicKey(x="b" * 43, y="a" * 43)
    assert one.id is PublicKey(x=one.x, y=one.y).id
    assert one.id != other.id
