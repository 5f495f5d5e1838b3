"""The contract of Signer: what one version of the key signed, every factory that trusts the key believes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from pipeline_core.adapters.azure.signing import KeyPlace, KeyVaultSigner
from pipeline_core.adapters.key_file import KeyFileSigner
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.signing import MemorySigner
from pipeline_core.domain.errors import (
    ErrorClass,
    InvalidValue,
    NotFound,
    PermanentError,
    TransientError,
)
from pipeline_core.domain.signatures import PublicKey, Signature
from pipeline_core.ports import Signer
from pipeline_core.wire import es256
from tests.contract.conftest import Azure

MESSAGE = b"what is signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """The port over a key with versions, and what an operator does to it."""

    signer: Signer
    rotate: Callable[[], None]
    disable: Callable[[PublicKey], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """A key of its own in the emulated vault, as an operator sees it."""

    azure: Azure
    name: str
    clock: ManualClock

    def signer(self, version: str = "") -> KeyVaultSigner:
        place = KeyPlace(vault=self.azure.arm.vault, name=self.name, version=version)
        keys = self.azure.clients.keys(place.vault)
        return KeyVaultSigner(keys, self.azure.clients.cryptography, place, self.clock)

    def make_version(self) -> Any:
        return self.azure.clients.keys(self.azure.arm.vault).create_ec_key(self.name, curve="P-256")

    def rotate(self) -> None:
        self.make_version()
        self.clock.advance(timedelta(minutes=5))

    def disable(self, key: PublicKey) -> None:
        keys = self.azure.clients.keys(self.azure.arm.vault)
        for version in keys.list_properties_of_key_versions(self.name):
            found = keys.get_key(self.name, version.version)
            point: Any = found.key  # the SDK sets x and y without declaring them
            if es256.of_coordinates(point.x, point.y) == key:
                keys.update_key_properties(self.name, version.version, enabled=False)
        self.clock.advance(timedelta(minutes=5))


@pytest.fixture
def vault(azure: Azure, unique_name: Callable[[str], str]) -> Vault:
    made = Vault(azure=azure, name=unique_name("key"), clock=ManualClock())
    made.make_version()
    return made


def _file(folder: Path) -> Path:
    path = folder / "key.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture(params=["memory", "azure"])
def keeper(request: pytest.FixtureRequest) -> Keeper:
    if request.param == "memory":
        twin = MemorySigner()
        return Keeper(signer=twin, rotate=twin.rotate, disable=twin.disable)
    held: Vault = request.getfixturevalue("vault")
    return Keeper(signer=held.signer(), rotate=held.rotate, disable=held.disable)


@pytest.fixture(params=["memory", "file", "azure"])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    if request.param == "memory":
        return MemorySigner()
    if request.param == "file":
        return KeyFileSigner(_file(tmp_path))
    held: Vault = request.getfixturevalue("vault")
    return held.signer()


def test_what_was_signed_is_believed_and_nothing_else(signer: Signer) -> None:
    signature = signer.sign(MESSAGE)
    (key,) = signer.trusted_keys()
    assert signature.key == key.id
    assert signer.find_signer(MESSAGE, [signature]) == key
    assert signer.find_signer(MESSAGE + b".", [signature]) is None
    assert signer.find_signer(MESSAGE, []) is None


def test_a_signature_is_der_and_holds_by_the_public_key_alone(signer: Signer) -> None:
    signature = signer.sign(MESSAGE)
    (key,) = signer.trusted_keys()
    pinned = serialization.load_pem_public_key(es256.public_pem(key))
    assert isinstance(pinned, ec.EllipticCurvePublicKey)
    pinned.verify(signature.value, MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_a_stranger_who_takes_the_name_of_our_key_is_not_believed(signer: Signer) -> None:
    (key,) = signer.trusted_keys()
    stranger = es256.sign(ec.generate_private_key(ec.SECP256R1()), MESSAGE)
    assert signer.find_signer(MESSAGE, [stranger]) is None
    assert signer.find_signer(MESSAGE, [Signature(key=key.id, value=stranger.value)]) is None


def test_one_good_signature_among_bad_ones_is_enough(signer: Signer) -> None:
    good = signer.sign(MESSAGE)
    bad = Signature(key=good.key, value=b"\x30\x06\x02\x01\x01\x02\x01\x01")
    stranger = es256.sign(ec.generate_private_key(ec.SECP256R1()), MESSAGE)
    assert signer.find_signer(MESSAGE, [bad, stranger, good]) is not None
    assert signer.find_signer(MESSAGE, [bad, stranger]) is None


@pytest.mark.parametrize("value", [b"", b"\x30", b"\xff" * 72, b"0" * 4096], ids=lambda each: str(len(each)))
def test_a_signature_that_is_none_is_passed_over(signer: Signer, value: bytes) -> None:
    (key,) = signer.trusted_keys()
    assert signer.find_signer(MESSAGE, [Signature(key=key.id, value=value)]) is None


def test_after_a_rotation_the_new_version_signs_and_the_old_one_is_still_believed(keeper: Keeper) -> None:
    old = keeper.signer.sign(MESSAGE)
    keeper.rotate()
    new = keeper.signer.sign(MESSAGE)
    assert new.key != old.key
    assert [key.id for key in keeper.signer.trusted_keys()] == [new.key, old.key]
    for signature in (old, new):
        assert keeper.signer.find_signer(MESSAGE, [signature]) is not None


def test_what_a_disabled_version_signed_is_not_believed(keeper: Keeper) -> None:
    old = keeper.signer.sign(MESSAGE)
    (key,) = keeper.signer.trusted_keys()
    keeper.rotate()
    keeper.disable(key)
    assert keeper.signer.find_signer(MESSAGE, [old]) is None
    assert keeper.signer.find_signer(MESSAGE, [keeper.signer.sign(MESSAGE)]) is not None


def test_a_version_that_was_disabled_a_moment_ago_is_followed_by_its_successor_at_once(vault: Vault) -> None:
    signer = vault.signer()
    old = signer.sign(MESSAGE)
    (key,) = signer.trusted_keys()
    vault.make_version()
    vault.disable(key)
    vault.clock.set(vault.clock.now() - timedelta(minutes=5))  # what the signer knows is not old yet
    new = signer.sign(MESSAGE)
    assert new.key != old.key
    assert signer.find_signer(MESSAGE, [new]) is not None


def test_a_key_without_an_enabled_version_signs_nothing(keeper: Keeper) -> None:
    (key,) = keeper.signer.trusted_keys()
    keeper.disable(key)
    with pytest.raises(PermanentError) as refused:
        keeper.signer.sign(MESSAGE)
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert keeper.signer.trusted_keys() == [] or keeper.signer.trusted_keys() == ()


def _asked(azure: Azure) -> dict[str, int]:
    """What was asked of the vault's keys since the last look."""
    counted = azure.arm.ask("GET", "requests")
    azure.arm.ask("POST", "reset-counts")
    return {name: count for name, count in counted["other"].items() if "/keys/" in name}


def test_the_vault_is_asked_for_its_keys_once_in_five_minutes(vault: Vault) -> None:
    signer = vault.signer()
    vault.azure.arm.ask("POST", "reset-counts")
    signature = signer.sign(MESSAGE)
    assert sum(_asked(vault.azure).values()) == 3  # versions, one of them, the signature
    for _ in range(5):
        assert signer.find_signer(MESSAGE, [signature]) is not None
    assert _asked(vault.azure) == {}
    vault.clock.advance(timedelta(minutes=5))
    assert signer.find_signer(MESSAGE, [signature]) is not None
    assert sum(_asked(vault.azure).values()) == 2


def test_a_version_younger_than_what_is_known_is_found_and_strangers_cost_a_look_in_30_seconds(
    vault: Vault,
) -> None:
    signer, other = vault.signer(), vault.signer()
    signer.trusted_keys()
    vault.make_version()
    young = other.sign(MESSAGE)
    vault.clock.advance(timedelta(seconds=31))
    assert signer.find_signer(MESSAGE, [young]) is not None
    vault.azure.arm.ask("POST", "reset-counts")
    stranger = es256.sign(ec.generate_private_key(ec.SECP256R1()), MESSAGE)
    for _ in range(5):
        assert signer.find_signer(MESSAGE, [stranger]) is None
    assert _asked(vault.azure) == {}


def test_a_named_version_signs_and_the_others_are_believed_all_the_same(vault: Vault) -> None:
    first = vault.make_version()
    vault.make_version()
    signer = vault.signer(first.properties.version)
    assert signer.sign(MESSAGE).key == es256.of_coordinates(first.key.x, first.key.y).id
    assert len(signer.trusted_keys()) == 3
    assert signer.find_signer(MESSAGE, [vault.signer().sign(MESSAGE)]) is not None


def test_a_key_of_more_versions_than_a_page_of_the_vault_is_known_whole(vault: Vault) -> None:
    for _ in range(26):
        vault.make_version()
    assert len(vault.signer().trusted_keys()) == 27


def test_a_key_that_is_not_there_is_named(azure: Azure) -> None:
    place = KeyPlace(vault=azure.arm.vault, name="absent-key")
    signer = KeyVaultSigner(azure.clients.keys(place.vault), azure.clients.cryptography, place, ManualClock())
    with pytest.raises(NotFound, match="absent-key"):
        signer.sign(MESSAGE)


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize(
    ("status", "error"),
    [(429, TransientError), (503, TransientError), (500, TransientError), (403, PermanentError)],
)
def test_a_vault_that_does_not_sign_is_not_a_signature(
    vault: Vault, status: int, error: type[Exception]
) -> None:
    signer = vault.signer()
    signer.trusted_keys()
    fault = {"path_regex": f"keys/{vault.name}/[0-9a-f]+/sign", "status": status, "times": 1}
    vault.azure.arm.ask("POST", "faults", fault)
    with pytest.raises(error, match=vault.name):
        signer.sign(MESSAGE)
    assert signer.find_signer(MESSAGE, [signer.sign(MESSAGE)]) is not None


def test_the_digest_and_not_the_message_goes_to_the_vault(vault: Vault) -> None:
    keys = vault.azure.clients.keys(vault.azure.arm.vault)
    client = vault.azure.clients.cryptography(keys.get_key(vault.name))
    signature = vault.signer().sign(MESSAGE)
    digest = hashlib.sha256(MESSAGE).digest()
    raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature.value))
    assert client.verify("ES256", digest, raw).is_valid  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://vault.example.com/keys/provenance",
        "https://vault.example.com/secrets/provenance",
        "https://vault.example.com/keys/provenance/latest",
        "https://vault.example.com/keys/",
    ],
)
def test_what_names_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        KeyPlace.parse(text)


def test_a_key_is_named_with_or_without_its_version() -> None:
    vault, version = "https://vault.example.com", "0" * 32
    assert KeyPlace.parse(f"{vault}/keys/p") == KeyPlace(vault=vault, name="p")
    assert KeyPlace.parse(f"{vault}/keys/p/{version}") == KeyPlace(vault=vault, name="p", version=version)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_holds_no_key_is_named_and_never_quoted(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(PermanentError, match="FACTORY_SIGNING_KEY_FILE") as refused:
        KeyFileSigner(path).sign(MESSAGE)
    assert "AAAA" not in str(refused.value)


def test_a_key_on_another_curve_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = ec.generate_private_key(ec.SECP384R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(PermanentError, match="P-256"):
        KeyFileSigner(path).sign(MESSAGE)
