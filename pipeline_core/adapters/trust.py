"""Which of the trusted keys has signed a message. Shared by every keeper of keys; it asks none of them."""

from collections.abc import Sequence

from pipeline_core.domain.signatures import PublicKey, Signature
from pipeline_core.wire import es256


def signer_among(
    keys: Sequence[PublicKey], message: bytes, signatures: Sequence[Signature]
) -> PublicKey | None:
    """The key of the first signature that holds. A signature that names no trusted key is tried with none."""
    known = {key.id: key for key in keys}
    for signature in signatures:
        key = known.get(signature.key)
        if key is not None and es256.is_signed(key, message, signature.value):
            return key
    return None
