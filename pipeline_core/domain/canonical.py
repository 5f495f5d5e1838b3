"""JSON in one canonical form, so that the same value has the same bytes: sorted keys, no white space, no NaN.

The bytes are stored, digested and signed. There are two variants, because both were stored before this module
existed, and no stored digest may change. `text` keeps characters as they are, in UTF-8 (fingerprints, definitions,
policies, digests of tags). `ascii_text` writes each character outside ASCII as an escape (signed statements, which
tools of others also read, and the thumbprints of keys). This module must not know what it encodes.
"""

import json

_SEPARATORS = (",", ":")


def text(value: object) -> bytes:
    """In UTF-8; raises ValueError for NaN and the infinities, and for a lone surrogate."""
    return _encoded(value, ascii_only=False).encode()


def tolerant_text(value: object) -> bytes:
    """As `text`, but a lone surrogate is kept: anybody may write a gallery's tags, and their digest must not fail."""
    return _encoded(value, ascii_only=False).encode("utf-8", "surrogatepass")


def ascii_text(value: object) -> bytes:
    """In ASCII, with escapes; raises ValueError for NaN and the infinities."""
    return _encoded(value, ascii_only=True).encode()


def compact(value: object, *, allow_nan: bool = True) -> str:
    """Without white space, in the order of the value itself: for rows and messages, which are never digested.

    Raises ValueError for NaN and the infinities where they are not allowed.
    """
    return json.dumps(value, separators=_SEPARATORS, ensure_ascii=False, allow_nan=allow_nan)


def _encoded(value: object, *, ascii_only: bool) -> str:
    return json.dumps(value, sort_keys=True, separators=_SEPARATORS, ensure_ascii=ascii_only, allow_nan=False)
