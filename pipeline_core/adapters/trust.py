"""Find the trusted key that signed a message. Every keeper of keys uses this module. It asks no keeper."""

from collections.abc import Sequence

from pipeline_core.domain.signatures import PublicKey, Signature
from pipeline_core.wire import es256


def signer_among(
    keys: Sequence[PublicKey], message: bytes, signatures: Sequence[Signature]
) -> PublicKey | None:
    """The key of the first valid signature. A signature that names no trusted key is not checked."""
    known = {key.id: key for key in keys}
    for signature in signatures:
        key = known.get(signature.key)
        if key is not None and es256.is_signed(key, message, signature.value):
            return key
    return None
