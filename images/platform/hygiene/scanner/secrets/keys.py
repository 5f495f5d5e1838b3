"""Finds private keys: a header counts only with the body of a key after it.

A header alone is in every program that reads keys, and opens nothing. The body may be on lines, in one line, in a
string of JSON or of source code, behind comment signs, or encoded once more as in a kubeconfig.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.secrets import der
from scanner.secrets.likeness import entropy

# For the first pass by grep: every key has one of these.
GREP = (
    r"-----? ?BEGIN [A-Z0-9 ]*PRIVATE KEY",
    r"PuTTY-User-Key-File-[0-9]",
    r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{40}",  # `-----BEGIN `, in base64
)
_HEADER = re.compile(rb"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_PUTTY = re.compile(rb"PuTTY-User-Key-File-\d{1,2}:")
_PUTTY_BODY = re.compile(rb"Private-Lines: ?\d{1,4}")
_END = re.compile(rb"-{4,5} ?END |Private-MAC:|-{4,5} ?BEGIN ")
_WRAPPED = re.compile(rb"LS0tLS1CRUdJTi[A-Za-z0-9+/=\s]{40,200000}")
_WINDOW = 64 * 1024  # bytes after a header: a key of 16,384 bits has 12 KiB

_BREAK = re.compile(
    rb"\\+[nrt]|&#(?:10|13|x[aAdD]);|%0[AaDd]|\\+u000[adAD]|[\"'][ \t]{0,8}[+.]?[ \t]{0,8}[\"']"
)
_ESCAPED = (
    (b"%2B", b"+"),
    (b"%2F", b"/"),
    (b"%3D", b"="),
    (b"\\/", b"/"),
    (b"\\u002b", b"+"),
    (b"\\u003d", b"="),
)
_CIPHER = re.compile(rb"Proc-Type: ?4,ENCRYPTED|DEK-Info: ?[A-Za-z0-9-]{1,40},[0-9A-Fa-f]{1,64}")
_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,30}: .{0,200}")
_AROUND = b" \t\"'`,;\\#*>|()[]{}<.!&$:"
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_ALNUM = re.compile(rb"[A-Za-z0-9]")
_LONG = 16  # characters: a word of prose is shorter, and no tool breaks a key into shorter lines

_SHORTEST = 38  # bytes: a key of a curve of 256 bits without anything but itself
_UNKNOWN = 96  # bytes of no known form that count as a key
_BITS_PLAIN = 3.5  # per character of base64; that of random bytes has more than 5
_BITS_UNKNOWN = 5.5  # per decoded byte; 96 random bytes have more than 6, a text for people has less than 5


@dataclass(frozen=True)
class SeenKey:
    """A private key in a file. `body` is the SHA-256 of its decoded body, by which a published sample is known."""

    start: int
    body: str


def find_keys(data: bytes) -> Iterator[SeenKey]:
    """Every private key in the bytes, or a mapping of a file, in the order of their headers."""
    for header in _HEADER.finditer(data):
        raw = _body(data[header.end() : header.end() + _WINDOW])
        if raw:
            yield SeenKey(start=header.start(), body=hashlib.sha256(raw).hexdigest())
    for header in _PUTTY.finditer(data):
        text = data[header.end() : header.end() + _WINDOW]
        lines = _PUTTY_BODY.search(text)
        raw = _decoded(_words(text[lines.end() :])) if lines else b""
        if len(raw) >= 24:
            yield SeenKey(start=header.start(), body=hashlib.sha256(raw).hexdigest())
    for wrapped in _WRAPPED.finditer(data):
        inner = _decoded(b"".join(wrapped[0].split()))
        for found in find_keys(inner) if _HEADER.match(inner) else ():
            yield SeenKey(start=wrapped.start(), body=found.body)


def _body(text: bytes) -> bytes:
    """The decoded body that follows a header; empty if there is no body of a key."""
    has_cipher = _CIPHER.search(text[:400]) is not None
    words = _words(text)
    raw = _decoded(words)
    if len(raw) < _SHORTEST or entropy(words) < _BITS_PLAIN:
        return b""
    if der.declared_length(raw) > 2 * len(raw):
        return b""  # the first lines of a key: its public half
    if has_cipher or der.begins_like_a_key(raw):
        return raw
    return raw if len(raw) >= _UNKNOWN and entropy(raw) >= _BITS_UNKNOWN else b""


def _words(text: bytes) -> bytes:
    """The characters of base64 that follow, until something else comes."""
    text = _BREAK.sub(b"\n", text)
    end = _END.search(text)
    text = _CIPHER.sub(b"\n", text[: end.start()] if end else text)
    for escaped, plain in _ESCAPED:
        text = text.replace(escaped, plain)
    found: list[bytes] = []
    for line in text.split(b"\n"):
        line = line.strip(_AROUND + b"\r")
        if _FIELD.fullmatch(line):
            continue
        for word in line.split():
            word = word.strip(_AROUND)
            if not _ALNUM.search(word):
                continue  # `+` or `//` between two strings of source code
            if not _BASE64.fullmatch(word):
                return b"".join(found)
            found.append(word)
            if len(word) < _LONG:
                return b"".join(found)
    return b"".join(found)


def _decoded(words: bytes) -> bytes:
    plain = words.replace(b"=", b"")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""
