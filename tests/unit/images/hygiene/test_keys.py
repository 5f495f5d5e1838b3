"""A private key is known by its body, wherever it lies, and a header alone is none."""

import base64
import json
import textwrap
from collections.abc import Callable

import pytest
from scanner.secrets import keys

from tests.unit.images.hygiene import made

_KEYS = sorted(made.keys())
_BODY = "".join(made.key().splitlines()[1:-1])
_WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": lambda key: key,
    "with CRLF": lambda key: key.replace("\n", "\r\n"),
    "in a string of JSON": lambda key: json.dumps({"private_key": key}),
    "in a string of JSON within a string of JSON": lambda key: json.dumps({"x": json.dumps({"k": key})}),
    "in YAML": lambda key: "tls:\n  key: |\n" + "".join(f"    {line}\n" for line in key.splitlines()),
    "behind comment signs": lambda key: "".join(f"# {line}\n" for line in key.splitlines()),
    "quoted in a mail": lambda key: "".join(f"> {line}\n" for line in key.splitlines()),
    "in strings of Python": lambda key: "".join(f'    "{line}\\n"\n' for line in key.splitlines()),
    "in strings of Java": lambda key: " +\n".join(f'    "{line}\\n"' for line in key.splitlines()),
    "in strings of one line": lambda key: "'" + "'+'".join(f"{line}\\n" for line in key.splitlines()) + "'",
    "in one line": lambda key: "KEY=" + " ".join(key.split("\n")),
    "with words in between": lambda key: f"This is the key of the server:\n\n{key}\nKeep it.\n",
    "after a certificate": lambda key: made.pem("CERTIFICATE", made.noise(700, seed=9)) + key,
    "in XML": lambda key: f"<key>{key.replace(chr(10), '&#10;')}</key>",
    "in bytes of Python": lambda key: "".join(f'    b"{line}\\n"\n' for line in key.splitlines()),
    "removed by a patch": lambda key: "".join(f"-{line}\n" for line in key.splitlines()),
    "added by a patch": lambda key: "".join(f"+{line}\n" for line in key.splitlines()),
    "in a log": lambda key: "".join(
        f"Dec  1 02:53:{number % 60:02} web-17 app[71]: {line}\n"
        for number, line in enumerate(key.splitlines())
    ),
    "wrapped once more": lambda key: "".join(
        "\n".join(textwrap.wrap(line, 60)) + "\n" for line in key.splitlines()
    ),
    "in an address": lambda key: "k=" + key.replace("\n", "%0A").replace("+", "%2B").replace("=", "%3D"),
}


def _found(text: str | bytes) -> int:
    return len(list(keys.find_keys(text.encode() if isinstance(text, str) else text)))


@pytest.mark.parametrize("form", _KEYS)
def test_a_key_of_each_form_is_found(form: str) -> None:
    assert _found(made.keys()[form]) == 1


@pytest.mark.parametrize("form", ["RSA", "RSA with a passphrase", "a curve", "Ed25519", "OpenSSH", "PKCS 8"])
@pytest.mark.parametrize("written", _WRITTEN.values(), ids=_WRITTEN.keys())
def test_a_key_is_found_however_it_is_written(form: str, written: Callable[[str], str]) -> None:
    assert _found(written(made.keys()[form])) == 1


def test_a_key_that_is_encoded_once_more_is_found() -> None:
    for form in _KEYS:
        if not form.startswith("PuTTY"):
            assert _found("client-key-data: " + base64.b64encode(made.keys()[form].encode()).decode()) == 1, (
                form
            )


@pytest.mark.parametrize("first", ["CERTIFICATE", "EC PARAMETERS"])
def test_a_key_in_a_bundle_that_is_encoded_once_more_is_found(first: str) -> None:
    bundle = made.pem(first, made.noise(700, seed=9)) + made.keys()["a curve"]
    assert _found("tls: " + base64.b64encode(bundle.encode()).decode()) == 1


def test_a_certificate_that_is_encoded_once_more_is_none() -> None:
    assert _found(base64.b64encode(made.pem("CERTIFICATE", made.noise(700, seed=9)).encode())) == 0


def test_two_keys_of_a_file_are_two_and_have_different_bodies() -> None:
    found = list(keys.find_keys((made.keys()["RSA"] + made.keys()["a curve"]).encode()))
    assert len({each.body for each in found}) == 2


def test_the_same_key_has_the_same_body_however_it_is_written() -> None:
    bodies = {next(keys.find_keys(written(made.key()).encode())).body for written in _WRITTEN.values()}
    assert len(bodies) == 1


NOT_KEYS = {
    "a header": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "a header and prose": "-----BEGIN RSA PRIVATE KEY-----\n\nand then has base64, which is decoded by the library\n",
    "a header in code": "if not line.startswith('-----BEGIN RSA PRIVATE KEY-----'):\n    raise ValueError(line)\n",
    "both lines in code": '"-----BEGIN PRIVATE KEY-----\\n" + base64.b64encode(raw) + "\\n-----END PRIVATE KEY-----"',
    "a form for a reader": "-----BEGIN PRIVATE KEY-----\nXXXX\nXXXX\n-----END PRIVATE KEY-----\n",
    "a long form for a reader": f"-----BEGIN PRIVATE KEY-----\n{'X' * 64}\n{'X' * 64}\n-----END PRIVATE KEY-----\n",
    "a key that is cut": f"-----BEGIN RSA PRIVATE KEY-----\n{_BODY[:64]}\n...\n-----END RSA PRIVATE KEY-----\n",
    "three lines of a key": f"-----BEGIN RSA PRIVATE KEY-----\n{made.lines(base64.b64decode(_BODY)[:144])}...\n",
    "a text in base64": made.pem("PRIVATE KEY", b"put your own key here " * 8),
    "the first bytes of a key, and zeros": made.pem(
        "PRIVATE KEY", b"\x30\x82\x00\xc0\x02\x01\x00\x02" + bytes(188)
    ),
    "a key of few bytes": made.pem("RSA PRIVATE KEY", b"\x30\x1c\x02\x01\x00\x02" + made.noise(24, seed=1)),
    "a public key": made.pem("PUBLIC KEY", made.noise(300, seed=1)),
    "a certificate": made.pem("CERTIFICATE", made.noise(700, seed=1)),
    "a template": "-----BEGIN PRIVATE KEY-----\n{{ tls.key | indent(4) }}\n-----END PRIVATE KEY-----\n",
    "names in code": 'if "-----BEGIN PRIVATE KEY-----" in text:\n    loadPrivateKeyFromString(text)\n'
    "    normalizeConfigurationOfServer(text)\n    lookUpCertificatesOfTheServer(text)\n",
    "names in code about PGP": '"-----BEGIN PGP PRIVATE KEY BLOCK-----" in text\nnormalise(text)\n',
    "a public key below": 'if b"-----BEGIN PRIVATE KEY-----" in data:\n    raise ValueError\nPUBLIC = "'
    + made.public()
    + '"\n',
    "a public key of SSH below": "-----BEGIN OPENSSH PRIVATE KEY-----\nis no such file:\nssh-rsa "
    + base64.b64encode(b"\0\0\0\x07ssh-rsa" + made.noise(260, seed=3)).decode()
    + " dev\n",
    "a list of headers": "\n".join(f"-----BEGIN {kind} PRIVATE KEY-----" for kind in ("RSA", "DSA", "EC")),
    "PuTTY's header": "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n",
    "PuTTY's header in code": 'if data.startswith(b"PuTTY-User-Key-File-2:") and b"Private-Lines: 4" in data:',
}


@pytest.mark.parametrize("text", NOT_KEYS.values(), ids=NOT_KEYS.keys())
def test_what_only_speaks_of_a_key_is_none(text: str) -> None:
    assert _found(text) == 0


@pytest.mark.parametrize("text", NOT_KEYS.values(), ids=NOT_KEYS.keys())
def test_a_key_beside_what_only_speaks_of_one_is_found(text: str) -> None:
    assert _found(f"{text}\n{made.key()}") == 1
    assert _found(f"{made.key()}\n{text}") == 1
