"""The OpenAPI document says of each name exactly what the code takes there: the same texts, and no other."""

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import texts
from pipeline_core.domain.errors import InvalidValue, StaleWrite
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.test_access_to_routes import ROUTES
from tests.unit.triggers.twins import TwinFactory
from triggers.api import preconditions
from triggers.api.app import create_app
from triggers.api.forms import ecma, names
from triggers.api.forms.form import NameForm

FORMS: dict[str, NameForm[Any]] = {
    name: each for name, each in vars(names).items() if isinstance(each, NameForm)
}
SIGNS = "aZ09-._:/*!~ \t\n\r\u2028é\U0001f600\x00|"  # of all names, what ends a line, and what no name has
# Texts of which the document says less than the code knows, and the reason.
JUDGED = {
    ("header", "Range"): "another text is ignored, as RFC 9110 says",
    ("header", "If-Range"): "another text is the ETag of another file",
    ("path", "name"): "of a file: a report names it, and a name of none is a 404",
    ("body", "webhook"): "an address is judged by a parser of addresses, and by where it leads",
    ("body", "document"): "image.yaml and the policy have schemas of their own: `imagefactory schema`",
    ("body", "catalog"): "the catalog is judged as a whole",
    ("body", "rule"): "of a waiver: what the definition does not ask for is a 404",
    ("body", "path"): "of a waiver, as its rule",
}


@cache
def document() -> dict[str, Any]:
    app = create_app(lambda: TwinFactory())  # type: ignore[arg-type,return-value]
    made: dict[str, Any] = app.openapi()
    return made


def parameters() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and parameter of each operation."""
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                yield method.upper(), path, parameter


def fields() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Method, path, name and schema of each field of a body."""
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            for reference in re.findall(r"#/components/schemas/(\w+)", json.dumps(content)):
                for name, schema in document()["components"]["schemas"][reference]["properties"].items():
                    yield method.upper(), path, name, schema


def is_bounded(schema: dict[str, Any]) -> bool:
    """Whether the schema names every value, or the form of each."""
    if "$ref" in schema:
        return is_bounded(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return all(is_bounded(each) for each in schema["anyOf"])
    match schema.get("type"):
        case "string":
            return bool({"pattern", "enum", "const", "format"} & schema.keys())
        case "integer":
            return {"minimum", "maximum"} <= schema.keys()
        case "array":
            return "maxItems" in schema and is_bounded(schema["items"])
        case kind:
            return kind in ("boolean", "null")


def takes(schema: dict[str, Any], text: str) -> bool:
    """Whether the schema takes the text, read by Python: our patterns have only signs that both read alike."""
    pattern = schema["pattern"].removesuffix("$") + r"\Z"
    return len(text) <= schema.get("maxLength", len(text)) and re.search(pattern, text, re.ASCII) is not None


# Texts that each form takes, among them the shortest and the longest; what is near them is made of them.
_NAME = "a" + "-b2" * 20 + "cc"  # 63 characters
_TIME = "20261130T120000000000"
RIGHT: dict[str, tuple[str, ...]] = {
    "IMAGE": ("a", "rhel9-base", _NAME),
    "TEAM": ("a", "payments", _NAME),
    "DIGEST": ("0f" * 32,),
    "FILE": ("e3" * 32,),
    "BUILD": ("a.0123456789ab.1", f"{_NAME}.0123456789ab.999999"),
    "VERSION": (
        "0.0.0",
        "9.20261121.1",
        "2147483647.2147483647.2147483647",
        "2147483639.1999999999.2099999999",
    ),
    "RELEASE": ("0.0.0", "9.6.2025112113", f"1.2.{'3' * 60}"),
    "ATTEMPT": ("build-1", "verify-9999"),
    "RECEIVER": ("0123456789abcdef", f"{_NAME}--0123456789abcdef"),
    "SOURCE": ("RedHat:RHEL:9-lvm-gen2:westeurope", "a:b:c:DEF", ":".join(["a" * 128] * 3) + ":" + "r" * 41),
    "POISON": (f"{_TIME}-0123456789abcdef", "01234567890123456-a", f"{_TIME}-{'z' * 40}"),
    "KEY": ("!", "a-key_1", "~" * 128),
    "RECOVERY": ("", "told", "untold:", f"lineage:{_NAME}"),
    "IMAGE_CURSOR": ("", "a", _NAME),
    "APPROVAL_CURSOR": ("", "a:b", f"{_NAME}:{_NAME}"),
    "BUILD_CURSOR": ("", "dfd9f8f9T6d8f9f9f9f9f-app.abc.1", "old-dfd9f8f9T6d8f9f9f9f9f-" + "z" * 90),
    "ENTRY_CURSOR": ("", f"{_TIME}-a", f"{_TIME}-{'Z' * 100}"),
    "LINEAGE_CURSOR": ("", "a", "a/b/c", "/".join([_NAME] * 16)),
    "POISON_CURSOR": ("", f"{_TIME}-0123456789abcdef"),
    "RECEIVER_CURSOR": ("", "0123456789abcdef", f"{_NAME}--0123456789abcdef"),
    "REVISION_CURSOR": ("", "1", "999999999"),
    "UNREADABLE_CURSOR": ("", f"images:a\nb:{'0' * 16}", f"Abc:{'x' * 640}:{'f' * 16}"),
}
ETAGS = (preconditions.quoted("W/\"datetime'2026-11-30T12%3A00%3A00Z'\""), '""', preconditions.quoted("2"))


def near(right: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Right texts; the same with a sign more, less or other; twice; longer by one; and any texts."""
    one, place, sign = st.sampled_from(right), st.integers(0, 90), st.sampled_from(SIGNS)
    return st.one_of(
        one,
        st.builds(lambda text, at, by: text[:at] + by + text[at:], one, place, sign),
        st.builds(lambda text, at, by: text[:at] + by + text[at + 1 :], one, place, sign),
        st.builds(lambda text, at: text[:at] + text[at + 1 :], one, place),
        st.builds(lambda text: text + text, one),
        st.builds(lambda text, by: text + by, one, sign),
        st.text(st.sampled_from(SIGNS), max_size=12),
    )


def some_near(right: tuple[str, ...]) -> list[str]:
    """The same without chance: each sign at the beginning, in the middle and at the end of each right text."""
    made = [*right]
    for text in right:
        for by in SIGNS:
            for at in {0, len(text) // 2, len(text)}:
                made += [text[:at] + by + text[at:], text[:at] + by + text[at + 1 :]]
        made += [text + text, text[1:], text[:-1]]
    return sorted(set(made))


def is_parsed(form: NameForm[Any], text: str) -> bool:
    try:
        form.parse(text)
    except InvalidValue:
        return False
    return True


@pytest.mark.parametrize("name", FORMS)
@given(data=st.data())
def test_a_text_is_of_the_form_exactly_when_the_parser_takes_it(name: str, data: st.DataObject) -> None:
    form = FORMS[name]
    text = data.draw(near(RIGHT[name]))
    assert is_parsed(form, text) is takes(form.schema(), text)


@given(near(ETAGS))
def test_an_etag_is_of_the_form_exactly_when_it_is_read(text: str) -> None:
    text = text.strip()
    try:
        preconditions.expected_of(text)
        is_read = True
    except StaleWrite:
        is_read = False
    except Exception:  # several, or all: a 400
        is_read = False
    assert is_read is takes(ecma.form_of(preconditions.ETAG).schema(), text)


@pytest.mark.process
def test_a_machine_of_ecma_262_reads_each_pattern_as_the_parser_does() -> None:
    drawn = {name: some_near(RIGHT[name]) for name in FORMS}
    schemas = {name: form.schema() for name, form in FORMS.items()}
    for name, found in asked_of_node(schemas, drawn).items():
        wrong = {
            text: is_found for text, is_found in found.items() if is_found is not is_parsed(FORMS[name], text)
        }
        assert not wrong, name
        assert {True, False} <= set(found.values()), f"{name}: the texts are all of one kind"


@pytest.mark.process
def test_a_machine_of_ecma_262_knows_the_hidden_characters_and_the_blanks_as_python_does() -> None:
    known = [
        letter
        for letter in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(letter) not in ("Cn", "Cs", "Co")  # unknown here, or no text of UTF-8
    ]
    forms = {
        kind: ecma.visible(most=200, is_blank_allowed=kind == "any").schema() for kind in ("any", "needed")
    }
    found = asked_of_node(forms, dict.fromkeys(forms, known))
    wrong = [
        letter
        for letter in known
        if found["any"][letter] is not (texts.find_hidden(letter) is None)
        or found["needed"][letter] is not (texts.find_hidden(letter) is None and bool(letter.strip()))
    ]
    assert not wrong
    assert len(known) > 100_000


def asked_of_node(schemas: dict[str, Any], drawn: dict[str, list[str]]) -> dict[str, dict[str, bool]]:
    """What Node.js finds of each text: by the flag `u`, and with the length in characters."""
    program = """
      const {schemas, drawn} = JSON.parse(require("fs").readFileSync(0, "utf8"));
      const found = {};
      for (const [name, schema] of Object.entries(schemas)) {
        const form = new RegExp(schema.pattern, "u");
        found[name] = drawn[name].map(
          text => form.test(text) && [...text].length <= (schema.maxLength ?? Infinity));
      }
      console.log(JSON.stringify(found));
    """
    asked = json.dumps({"schemas": schemas, "drawn": drawn})
    answer = subprocess.run(["node", "-e", program], input=asked, capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    return {name: dict(zip(drawn[name], found[name], strict=True)) for name in schemas}


def test_every_place_of_a_request_is_bounded_by_the_document() -> None:
    unbounded = {(each["in"], each["name"]) for _, _, each in parameters() if not is_bounded(each["schema"])}
    unbounded |= {("body", name) for _, _, name, schema in fields() if not is_bounded(schema)}
    assert unbounded <= JUDGED.keys()
    assert {place for _, place in unbounded} == {place for _, place in JUDGED}, "a reason for nothing"


PLACES = [
    (method, path, each["name"], each["in"], each["schema"])
    for method, path, each in parameters()
    if "pattern" in each["schema"] and not each["name"].startswith("If-")
] + [
    (method, path, name, "body", schema)
    for method, path, name, schema in fields()
    if "pattern" in schema and name != "reason"
]


@pytest.mark.parametrize(
    ("method", "path", "name", "where", "schema"), PLACES, ids=[" ".join(each[:3]) for each in PLACES]
)
def test_a_request_is_refused_exactly_when_the_document_forbids_its_text(
    method: str, path: str, name: str, where: str, schema: dict[str, Any], client: AsgiClient
) -> None:
    form = next(form for form in FORMS if FORMS[form].schema().items() <= schema.items())
    longest = RIGHT[form][-1]
    for text in filter(
        lambda each: _can_be_sent(each, where), [longest, longest + "!", longest + "\n", "A b"]
    ):
        answer = _ask(client, method, path, name, where, text)
        faults = answer.json().get("errors", ()) if answer.status_code == 400 else ()
        is_refused = any(fault["path"] == name for fault in faults)
        assert is_refused is not takes(schema, text), (text, answer.status_code, answer.text)


def test_many_places_are_asked() -> None:
    assert len(PLACES) > 50


def _can_be_sent(text: str, where: str) -> bool:
    """Whether an address, or a header, can hold it: another one is refused before the route."""
    if where == "path":
        return "/" not in text and text not in ("", ".", "..")
    return where != "header" or (text.isascii() and text.isprintable() and text == text.strip())


def _ask(client: AsgiClient, method: str, path: str, name: str, where: str, text: str) -> Any:
    template = re.compile(re.sub(r"\{[a-z0-9]+\}", "[^/]+", path))
    row = next(
        each for each in ROUTES.values() if each[0] == method and template.fullmatch(each[1].split("?")[0])
    )
    address, arguments = (
        row[1],
        {key: dict(value) if isinstance(value, dict) else value for key, value in row[2].items()},
    )
    if where == "path":
        parts = [
            quote(text, safe="") if wanted == f"{{{name}}}" else given_
            for wanted, given_ in zip(path.split("/"), address.split("/"), strict=True)
        ]
        address = "/".join(parts)
    else:
        kind = {"query": "params", "header": "headers", "body": "json"}[where]
        arguments[kind] = {**arguments.get(kind, {}), name: text}
    caller = "team" if path.endswith("/offer") else "admin"  # what an owner withheld, SecOps cannot offer
    arguments["headers"] = {**arguments.get("headers", {}), "Authorization": f"Bearer good.{caller}"}
    return client.request(method, address, **arguments)


@pytest.mark.parametrize(
    "pattern",
    [
        re.compile(r"\w+"),
        re.compile(r"a\s"),
        re.compile("a", re.IGNORECASE),
        re.compile("(?P<x>a)"),
        re.compile("a$"),
        re.compile("(?<=a)b"),
        re.compile("a*+"),
        re.compile("(?i:a)"),
        re.compile(r"[\]a]"),
        re.compile("a*?"),
    ],
    ids=lambda each: each.pattern,
)
def test_a_sign_that_is_not_known_in_both_is_an_error(pattern: re.Pattern[str]) -> None:
    with pytest.raises(ValueError, match="not translated"):
        ecma.form_of(pattern)
