"""A key with versions in memory. Its first version is the same in every world: each trusts the others' signatures."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from pipeline_core.adapters import trust
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.signatures import PublicKey, Signature
from pipeline_core.wire import es256

_FIRST = 0x1D5A_CE00  # protects nothing: it signs only data of tests and the simulation


class MemorySigner:
    """Signs with its newest version and trusts those that are enabled."""

    def __init__(self, first: int = _FIRST) -> None:
        self._versions = [ec.derive_private_key(first, ec.SECP256R1())]
        self._shown = [es256.public_of(self._versions[0])]
        self._disabled: set[str] = set()

    def sign(self, message: bytes) -> Signature:
        """A signature over exactly this message. Raises PermanentError if the newest version is disabled."""
        if self._shown[-1].id in self._disabled:
            raise PermanentError(
                ErrorClass.PERMISSION, "the signing key is disabled: enable it, or rotate it"
            )
        return es256.sign(self._versions[-1], message)

    def find_signer(self, message: bytes, signatures: Sequence[Signature]) -> PublicKey | None:
        """The trusted key that one of the signatures was made with, or None."""
        return trust.signer_among(self.trusted_keys(), message, signatures)

    def trusted_keys(self) -> Sequence[PublicKey]:
        """Every version that is enabled, newest first."""
        return [key for key in reversed(self._shown) if key.id not in self._disabled]

    def rotate(self) -> None:
        """Make a new version. The old ones are still trusted."""
        number = self._versions[-1].private_numbers().private_value + 1
        self._versions.append(ec.derive_private_key(number, ec.SECP256R1()))
        self._shown.append(es256.public_of(self._versions[-1]))

    def disable(self, key: PublicKey) -> None:
        """Trust a version no longer."""
        self._disabled.add(key.id)
