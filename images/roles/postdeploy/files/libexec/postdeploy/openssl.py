"""Takes a certificate of Key Vault apart and checks it, with the openssl of the image.

Every key goes to openssl through a pipe, never on a command line or to the disk.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
import time
from dataclasses import dataclass, field

from postdeploy.azure import KeptSecret
from postdeploy.failures import Exit, Failed
from postdeploy.host import Host

PEM, PKCS12 = "application/x-pem-file", "application/x-pkcs12"
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----", re.ASCII)
_SECONDS = 30.0


@dataclass(frozen=True)
class CheckedCertificate:
    """A certificate whose key fits and that is valid now. `chain` begins with its issuer. All parts are PEM.

    `not_after` is in seconds since 1970, UTC.
    """

    key: bytes = field(repr=False)
    leaf: bytes
    chain: tuple[bytes, ...]
    not_after: int

    def files(self) -> dict[str, bytes]:
        """The content of each kind of file."""
        full = self.leaf + b"".join(self.chain)
        return {
            "key": self.key,
            "certificate": self.leaf,
            "chain": b"".join(self.chain),
            "fullChain": full,
            "combined": self.key + full,
        }


def check(host: Host, secret: KeptSecret) -> CheckedCertificate:
    """The parts of a certificate. Raises Failed, with the remedy, for one that a service could not use."""
    keys, certificates = _parts(_as_pem(host, secret))
    if len(keys) != 1:
        raise _refused(
            "key-count", f"it holds {len(keys)} private keys and must hold one that is not encrypted"
        )
    if not certificates:
        raise _refused("no-certificate", "it holds no certificate")
    public = _openssl(host, ["pkey", "-pubout"], keys[0], "key-broken", "its private key cannot be read")
    leaf = None
    for each in certificates:
        found = _openssl(
            host,
            ["x509", "-noout", "-pubkey"],
            each,
            "certificate-broken",
            "a certificate in it cannot be read",
        )
        if leaf is None and found.strip() == public.strip():
            leaf = each
    if leaf is None:
        raise _refused("key-mismatch", "its private key belongs to none of its certificates")
    return CheckedCertificate(
        key=keys[0],
        leaf=leaf,
        chain=_chain(host, leaf, [each for each in certificates if each is not leaf]),
        not_after=_checked_dates(host, leaf),
    )


def _as_pem(host: Host, secret: KeptSecret) -> bytes:
    if secret.content_type == PKCS12:
        try:
            packed = base64.b64decode(secret.value, validate=True)
        except binascii.Error:
            raise _refused("pkcs12-broken", "its PKCS #12 content is not base64") from None
        # Key Vault gives it without a password. `-nodes` leaves the key without one too, in the pipe.
        words = ["pkcs12", "-nodes", "-passin", "pass:"]
        text = "openssl cannot read its PKCS #12 content: store it in Key Vault as application/x-pem-file"
        try:
            return _openssl(host, words, packed, "pkcs12-broken", text)
        except Failed as failed:
            # OpenSSL 3 reads RC2 with 40 bits, which older tools write, only when it is asked to. FIPS mode forbids it.
            if failed.code is not Exit.REFUSED or host.is_fips:
                raise
            return _openssl(host, [*words, "-legacy"], packed, "pkcs12-broken", text)
    if secret.content_type != PEM:
        raise _refused(
            "content-type",
            f"its content type is {secret.content_type or 'empty'}: it must be {PEM} or {PKCS12}",
        )
    return secret.value.encode()


def _parts(content: bytes) -> tuple[list[bytes], list[bytes]]:
    keys, certificates = [], []
    for block in _BLOCK.finditer(content):
        label, text = block.group(1), block.group(0) + b"\n"
        if label == b"CERTIFICATE":
            certificates.append(text)
        elif label in (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY"):
            keys.append(text)
    return keys, certificates


def _checked_dates(host: Host, leaf: bytes) -> int:
    said = _openssl(
        host, ["x509", "-noout", "-dates"], leaf, "certificate-broken", "its dates cannot be read"
    )
    try:
        dates = dict(line.split("=", 1) for line in said.decode().splitlines())
        start, end = (ssl.cert_time_to_seconds(dates[name]) for name in ("notBefore", "notAfter"))
    except (ValueError, KeyError):
        raise _refused("certificate-broken", "its dates cannot be read") from None
    now = time.time()
    if end <= now:
        raise _refused("expired", f"it expired on {time.strftime('%Y-%m-%d', time.gmtime(end))}")
    if start > now:
        raise _refused(
            "not-yet-valid", f"it is valid from {time.strftime('%Y-%m-%d %H:%M', time.gmtime(start))} UTC"
        )
    return int(end)


def _chain(host: Host, leaf: bytes, others: list[bytes]) -> tuple[bytes, ...]:
    """The other certificates in the order of issuers. One that issued nothing here does not belong to the chain."""
    names = {}
    for each in [leaf, *others]:
        said = _openssl(
            host,
            ["x509", "-noout", "-subject_hash", "-issuer_hash"],
            each,
            "certificate-broken",
            "a certificate in it cannot be read",
        )
        names[each] = said.decode().split()
    ordered, wanted, left = [], [names[leaf][1]], list(dict.fromkeys(others))
    while wanted:
        issuer = wanted.pop(0)
        for each in [each for each in left if names[each][0] == issuer]:
            ordered.append(each)
            left.remove(each)
            wanted.append(names[each][1])
    if left:
        raise _refused("chain", f"{len(left)} of its certificates did not issue it, nor one of its issuers")
    return tuple(ordered)


def _openssl(host: Host, words: list[str], content: bytes, reason: str, text: str) -> bytes:
    done = host.run(["openssl", *words], content=content, seconds=_SECONDS)
    if done.returncode == 127:
        raise Failed(Exit.BROKEN, "no-openssl", "the image has no openssl: install it in the base")
    if done.returncode != 0:
        raise _refused(reason, text)  # what openssl says about it may show parts of it
    return done.stdout


def _refused(reason: str, text: str) -> Failed:
    return Failed(Exit.REFUSED, reason, text)
