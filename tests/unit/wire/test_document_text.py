"""Reading YAML: JSON's types alone come out, and what could surprise or harm is refused with its place."""

import pytest

from pipeline_core.wire.document.text import DOCUMENT_LIMIT, read_yaml
from pipeline_core.wire.problems import InvalidDocument


def refusal_of(text: bytes) -> str:
    with pytest.raises(InvalidDocument) as caught:
        read_yaml(text)
    return "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("2027-01-31", "2027-01-31"),
        ("12:30", "12:30"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("21", 21),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
        ("'21'", "21"),
        ("", None),
        ("~", None),
        ("'~'", "~"),
        ("[a, {b: c}]", ["a", {"b": "c"}]),
    ],
)
def test_a_scalar_is_what_it_looks_like(text: str, value: object) -> None:
    assert read_yaml(f"key: {text}".encode()) == {"key": value}


def test_the_key_on_is_a_text() -> None:
    assert read_yaml(b"rebuild: {on: [parent]}") == {"rebuild": {"on": ["parent"]}}


def test_a_byte_order_mark_is_not_content() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: b") == {"a": "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a: 1\na: 2\nb: {c: 1, c: 2}", "line 2, column 1: has the key 'a' again"),
        (b"a: &x [1]\nb: *x", "line 2, column 4: is an alias"),
        (b"a: !!python/object/apply:os.system [ls]", "has the tag 'python/object/apply:os.system'"),
        (b"a: !!binary aGk=", "has the tag 'binary'"),
        (b"a: !!set {b}", "has the tag 'set'"),
        (b"1: a", "a key that is not a text"),
        (b"? [a]\n: b", "a key that is not a text"),
        (b"- a", "is not a mapping"),
        (b"", "is not a mapping"),
        (b"a: b\n---\nc: d", "is not YAML"),
        (b"a: [b", "line 1, column 6: is not YAML"),
        (b"a: \x00", "is not YAML"),
        (b"a: \xff", "byte 3: is not UTF-8"),
        (b"a: " + b"[" * 10_000, "is nested deeper"),
        (b"a: " + b"x" * DOCUMENT_LIMIT, "has 65539 bytes"),
    ],
    ids=str,
)
def test_what_cannot_be_json_is_refused(text: bytes, words: str) -> None:
    assert words in refusal_of(text)


def test_every_double_key_is_reported() -> None:
    assert refusal_of(b"a: 1\na: 2\nb: {c: 1, c: 2}").count("again") == 2


def test_a_bomb_of_aliases_costs_nothing() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "alias" in refusal_of("\n".join(lines).encode())
