"""Certificates for these tests, in the forms in which Key Vault gives them."""

import base64
import functools
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PEM, PKCS12 = "application/x-pem-file", "application/x-pkcs12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A key with its certificate and the certificates of its issuers."""

    key: ec.EllipticCurvePrivateKey
    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def leaf_pem(self) -> str:
        return pem_of(self.leaf)

    @property
    def chain_pem(self) -> str:
        return "".join(pem_of(each) for each in self.chain)

    @property
    def pem(self) -> str:
        """As the secret of a certificate with the content type PEM."""
        return self.key_pem + self.leaf_pem + self.chain_pem

    @property
    def pkcs12(self) -> str:
        """As the secret of a certificate with the content type PKCS #12."""
        packed = pkcs12.serialize_key_and_certificates(
            None, self.key, self.leaf, self.chain, serialization.NoEncryption()
        )
        return base64.b64encode(packed).decode()

    @property
    def old_pkcs12(self) -> str:
        """As older tools pack it: with RC2 of 40 bits."""
        words = ["openssl", "pkcs12", "-export", "-legacy", "-passout", "pass:"]
        words += ["-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES"]
        packed = subprocess.run(words, input=self.pem.encode(), capture_output=True, check=True).stdout
        return base64.b64encode(packed).decode()


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def made(name: str = "app.example", *, days: float = 90, starts: float = -1) -> Made:
    """A certificate of our authority that is valid from `starts` to `days` from now."""
    (_, root), (issuer_key, issuer) = _authorities()
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = _signed(name, key, issuer.subject, issuer_key, days=days, starts=starts)
    return Made(key=key, leaf=leaf, chain=(issuer, root))


@functools.cache
def _authorities() -> tuple[
    tuple[ec.EllipticCurvePrivateKey, x509.Certificate], tuple[ec.EllipticCurvePrivateKey, x509.Certificate]
]:
    root_key, issuer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _signed("root", root_key, _name("root"), root_key, days=900, starts=-9)
    return (root_key, root), (
        issuer_key,
        _signed("issuer", issuer_key, root.subject, root_key, days=900, starts=-9),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    days: float,
    starts: float,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=min(starts, days - 1)))
        .not_valid_after(now + timedelta(days=days))
        .sign(issuer_key, hashes.SHA256())
    )
