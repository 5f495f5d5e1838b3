"""Keys and tokens that open nothing, made anew for the tests. None is written in the repository."""

import base64
import functools
import hashlib
import hmac
import json
import random
import string
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_PEM = serialization.Encoding.PEM
_OPENSSL = serialization.PrivateFormat.TraditionalOpenSSL
_PKCS8 = serialization.PrivateFormat.PKCS8
_OPENSSH = serialization.PrivateFormat.OpenSSH
_OPEN = serialization.NoEncryption()
_LOCKED = serialization.BestAvailableEncryption(b"a passphrase")


@functools.cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def _ed25519() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@functools.cache
def keys() -> dict[str, str]:
    """A key of each form, by what it is."""
    curve = ec.generate_private_key(ec.SECP256R1())
    secret = curve.private_numbers().private_value.to_bytes(32, "big")
    return {
        "RSA": _rsa().private_bytes(_PEM, _OPENSSL, _OPEN).decode(),
        "RSA with a passphrase": _rsa().private_bytes(_PEM, _OPENSSL, _LOCKED).decode(),
        "PKCS 8": _rsa().private_bytes(_PEM, _PKCS8, _OPEN).decode(),
        "PKCS 8 with a passphrase": _rsa().private_bytes(_PEM, _PKCS8, _LOCKED).decode(),
        "a curve": curve.private_bytes(_PEM, _OPENSSL, _OPEN).decode(),
        "a curve, nothing but the secret": pem("EC PRIVATE KEY", b"\x30\x25\x02\x01\x01\x04\x20" + secret),
        "Ed25519": _ed25519().private_bytes(_PEM, _PKCS8, _OPEN).decode(),
        "OpenSSH": _ed25519().private_bytes(_PEM, _OPENSSH, _OPEN).decode(),
        "OpenSSH with a passphrase": pem(
            "OPENSSH PRIVATE KEY", b"openssh-key-v1\0\0\0\0\x0aaes256-ctr" + noise(250, seed=6)
        ),
        "PGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n"
        + lines(b"\x95\x03\x98" + noise(920, seed=1))
        + "=a1B2\n-----END PGP PRIVATE KEY BLOCK-----\n",
        "PuTTY": "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: dev\nPublic-Lines: 2\n"
        + lines(noise(51, seed=2))
        + "Private-Lines: 1\n"
        + lines(noise(36, seed=3))
        + "Private-MAC: 00\n",
        "of a form that nobody knows": pem("ANY PRIVATE KEY", noise(300, seed=4)),
    }


def key() -> str:
    """One key, a file of its own."""
    return keys()["RSA"]


def public() -> str:
    """The public half of a key in base64, on one line."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(_rsa().public_key().public_bytes(serialization.Encoding.DER, form)).decode()


def pem(label: str, raw: bytes) -> str:
    """The bytes as a file with this label."""
    return f"-----BEGIN {label}-----\n{lines(raw)}-----END {label}-----\n"


def lines(raw: bytes) -> str:
    """Base64 in lines of 64 characters."""
    text = base64.b64encode(raw).decode()
    return "".join(f"{text[start : start + 64]}\n" for start in range(0, len(text), 64))


def noise(size: int, *, seed: int) -> bytes:
    """Bytes without a pattern, the same each time."""
    return random.Random(seed).randbytes(size)


def chance(size: int, *, seed: int = 7, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Characters without a pattern, the same each time."""
    return "".join(random.Random(seed).choices(alphabet, k=size))


def tokens() -> dict[str, str]:
    """A token of each form, by whose it is."""
    upper = string.ascii_uppercase + string.digits
    encoded = base64.b64encode(noise(64, seed=5)).decode()
    return {
        "AWS": "AKIA" + chance(16, alphabet=upper),
        "GitHub": "ghp_" + chance(36),
        "GitHub, with rights": f"github_pat_{chance(22)}_{chance(59, seed=8)}",
        "Slack": f"xoxb-{chance(12, alphabet=string.digits)}-{chance(24)}",
        "Vault": "hvs." + chance(28),
        "storage": f"AccountKey={encoded}",
        "Service Bus": f"SharedAccessKey={encoded[:43]}=",
        "signature": f"https://x.blob.core.windows.net/b?sv=1&sig={chance(42)}%3D",
        "GitLab": "glpat-" + chance(20),
        "npm": "npm_" + chance(36),
        "Entra": "abc8Q~" + chance(34),
        "PyPI": "pypi-AgE" + chance(80),
        "Stripe": "sk_live_" + chance(24),
        "JWT": jwt({"iss": "https://login.corp.net/", "sub": "svc-batch"}),
    }


def token() -> str:
    """One token."""
    return tokens()["GitHub"]


def jwt(claims: dict[str, Any], *, algorithm: str = "HS256", secret: str = "long and unknown 4711") -> str:
    """A signed token with these claims."""
    head = _part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    signed = f"{head}.{_part(json.dumps(claims).encode())}"
    return f"{signed}.{_part(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
