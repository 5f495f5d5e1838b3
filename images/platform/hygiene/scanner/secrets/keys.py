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
_SAYS = re.compile(rb"PGP|ENCRYPTED")
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
_RUN = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_LINE = 48  # characters of a line of a key, at least; names in source code are shorter
_BEFORE = 4  # lines that may stand between a header and its body, such as how the body is encrypted
_PREFIX = 200  # bytes before a header on its line

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
        text = _unprefixed(_prefix(data, header.start()), data[header.end() : header.end() + _WINDOW])
        raw = _body(text, says=_SAYS.search(header[0]) is not None)
        if raw:
            yield SeenKey(start=header.start(), body=hashlib.sha256(raw).hexdigest())
    for header in _PUTTY.finditer(data):
        text = data[header.end() : header.end() + _WINDOW]
        lines = _PUTTY_BODY.search(text)
        raw = _decoded(_words(text[lines.end() :]).text) if lines else b""
        if len(raw) >= 24:
            yield SeenKey(start=header.start(), body=hashlib.sha256(raw).hexdigest())
    for wrapped in _WRAPPED.finditer(data):
        for found in find_keys(_decoded(b"".join(wrapped[0].split()))):
            yield SeenKey(start=wrapped.start(), body=found.body)


def _prefix(data: bytes, start: int) -> bytes:
    """What stands before a header on its line, such as the sign of a patch."""
    before = data[max(0, start - _PREFIX) : start]
    return before[before.rfind(b"\n") + 1 :]


def _unprefixed(prefix: bytes, text: bytes) -> bytes:
    """The text without the prefix of its lines. A `+` is a character of base64, so it must go first."""
    if not prefix or b"\n" + prefix not in text:
        return text
    return b"\n".join(line[len(prefix) :] if line.startswith(prefix) else line for line in text.split(b"\n"))


def _body(text: bytes, *, says: bool) -> bytes:
    """The decoded body that follows a header; empty if there is no body of a key.

    `says`: the header names a form whose first bytes other things have too, such as a public key or a name in code.
    """
    has_cipher = _CIPHER.search(text[:400]) is not None
    words = _words(text)
    raw = _decoded(words.text)
    if len(raw) < _SHORTEST or entropy(words.text) < _BITS_PLAIN:
        return b""
    if der.declared_length(raw) > 2 * len(raw):
        return b""  # the first lines of a key: its public half
    if der.begins_like_a_key(raw) and (words.is_plain or says or der.is_key_alone(raw)):
        return raw
    if has_cipher and (words.is_plain or words.first >= _LINE):
        return raw
    return raw if words.is_plain and len(raw) >= _UNKNOWN and entropy(raw) >= _BITS_UNKNOWN else b""


@dataclass(frozen=True)
class _Words:
    """Base64 that follows a header. `first` is the length of its first word.

    `is_plain` is false if anything else stood between the header and the words, or beside a word: such words may be
    names in source code.
    """

    text: bytes
    first: int
    is_plain: bool


def _words(text: bytes) -> _Words:
    """The characters of base64 that follow, until lines without them come."""
    text = _BREAK.sub(b"\n", text)
    end = _END.search(text)
    text = _CIPHER.sub(b"\n", text[: end.start()] if end else text)
    for escaped, plain in _ESCAPED:
        text = text.replace(escaped, plain)
    lines = [line for line in (line.strip(_AROUND + b"\r") for line in text.split(b"\n")) if _is_told(line)]
    found: list[bytes] = []
    is_plain = True
    skipped = 0
    for number, line in enumerate(lines):
        words = [word for word in (word.strip(_AROUND) for word in line.split()) if _ALNUM.search(word)]
        is_foreign = not all(map(_BASE64.fullmatch, words))
        goes_on = number + 1 < len(lines) and _RUN.search(lines[number + 1]) is not None
        is_last = end is not None and number + 1 == len(lines)
        taken = _taken(words, is_foreign=is_foreign, is_rest=bool(found) and (goes_on or is_last))
        if found and not taken:
            break
        is_plain = is_plain and not is_foreign
        if not found and not any(len(word) >= _LONG for word in taken):
            is_plain = False
            skipped += 1
            if skipped > _BEFORE:
                break
            continue
        found += taken
        if len(taken[-1]) < _LONG and not goes_on:
            break
    return _Words(text=b"".join(found), first=len(found[0]) if found else 0, is_plain=is_plain)


def _is_told(line: bytes) -> bool:
    """False for a line without a word, and for a field such as `Version: 1`, unless a line of a body is its value."""
    if not _ALNUM.search(line):
        return False
    longest = max(map(len, _RUN.findall(line)), default=0)
    return longest >= _LINE or _FIELD.fullmatch(line) is None


def _taken(words: list[bytes], *, is_foreign: bool, is_rest: bool) -> list[bytes]:
    """The words of a line that belong to a key. Beside other words, it is the longest run; a rest is the last word."""
    if not is_foreign:
        until = next((number for number, word in enumerate(words) if len(word) < _LONG), len(words) - 1)
        return words[: until + 1]
    runs = [run for word in words for run in _RUN.findall(word)]
    if runs:
        return [max(reversed(runs), key=len)]
    return words[-1:] if is_rest and _BASE64.fullmatch(words[-1]) else []


def _decoded(words: bytes) -> bytes:
    plain = words.replace(b"=", b"")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""
