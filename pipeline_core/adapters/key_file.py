"""A signing key in a PEM file, for a factory without Key Vault, such as one on a developer's machine.

Anyone who can read the file can sign. On Azure the key stays in Key Vault, and the settings refuse both at
once.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from pipeline_core.adapters import trust
from pipeline_core.domain.errors import ErrorClass, InvalidValue, PermanentError
from pipeline_core.domain.signatures import PublicKey, Signature
from pipeline_core.wire import es256


class KeyFileSigner:
    """Reads the file at the first use. The key has no versions: another file is another key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._lock = threading.Lock()

    def sign(self, message: bytes) -> Signature:
        """A signature over exactly this message. Raises PermanentError if the file holds no key."""
        return es256.sign(self._loaded(), message)

    def find_signer(self, message: bytes, signatures: Sequence[Signature]) -> PublicKey | None:
        """The trusted key that one of the signatures was made with, or None."""
        return trust.signer_among(self.trusted_keys(), message, signatures)

    def trusted_keys(self) -> Sequence[PublicKey]:
        """The one key."""
        return [es256.public_of(self._loaded())]

    def _loaded(self) -> ec.EllipticCurvePrivateKey:
        with self._lock:
            if self._key is None:
                try:
                    self._key = es256.read_private(self._path.read_bytes())
                except (OSError, InvalidValue) as error:
                    text = f"FACTORY_SIGNING_KEY_FILE cannot be used: {error}"
                    raise PermanentError(ErrorClass.PERMISSION, text) from error
            return self._key
