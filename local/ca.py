"""A certificate authority of our own, so that everything local speaks HTTPS as it does on Azure.

Keys never leave their folder, which only its owner can read. Nothing here installs the authority in a trust store of
the machine. A program that must trust the authority gets `ca_file`.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_LIFE = timedelta(days=365)
_CERTIFICATE_LIFE = timedelta(days=90)
_CLOCK_SKEW = timedelta(days=1)  # a container's or a browser's clock may be behind ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An authority in a folder; `ca_file` (PEM) serves as SSL_CERT_FILE and REQUESTS_CA_BUNDLE."""

    folder: Path
    ca_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """PEM files of one server certificate."""

    certificate: Path
    key: Path
    ca_file: Path


def make_authority(folder: Path) -> Authority:
    """The authority in `folder`. It is created if there is none. A later call, from any process, finds it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority(folder=folder, ca_file=folder / "ca.pem", key_file=folder / "ca-key.pem")
    if authority.ca_file.exists() and _is_fresh(authority.ca_file):
        return authority
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Image Factory local authority")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _certificate(name, name, key.public_key(), key.public_key(), _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(authority.key_file, _private_pem(key))
    _write(authority.ca_file, certificate.public_bytes(serialization.Encoding.PEM))
    return authority


def issue_certificate(
    authority: Authority, hosts: Sequence[str], *, name: str = "server"
) -> CertificateFiles:
    """A server certificate for `hosts` (DNS names, wildcards and IP addresses) as `name`.pem and `name`-key.pem."""
    issuer_key = serialization.load_pem_private_key(authority.key_file.read_bytes(), password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{authority.key_file} holds no elliptic curve key; delete the folder to renew it")
    issuer = x509.load_pem_x509_certificate(authority.ca_file.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    certificate = (
        _certificate(subject, issuer.subject, key.public_key(), issuer_key.public_key(), _CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    files = CertificateFiles(
        certificate=authority.folder / f"{name}.pem",
        key=authority.folder / f"{name}-key.pem",
        ca_file=authority.ca_file,
    )
    _write(files.key, _private_pem(key))
    _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    return files


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer_public: ec.EllipticCurvePublicKey,
    life: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
        # Python 3.13 verifies strictly and refuses a chain without both key identifiers.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _is_fresh(ca_file: Path) -> bool:
    certificate = x509.load_pem_x509_certificate(ca_file.read_bytes())
    return certificate.not_valid_after_utc > datetime.now(UTC) + _CERTIFICATE_LIFE


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    partial.replace(path)
