"""A log hides every form that the guard knows, and secrets known by their place. No line takes long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.log.redaction import LINE_LIMIT, Redactor
from pipeline_core.guard import detectors
from pipeline_core.guard.secrets import Form, Shape, kinds_in
from tests.unit.guard.archives import FORMS
from tests.unit.guard.test_secrets import HOSTILE, SECRETS, A

LINE_FORMS = detectors.line_forms()


def shown(text: str) -> str:
    return "\n".join(Redactor().clean_all(f"==> azure-arm.image: {text}".splitlines(keepends=True)))


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_every_secret_of_the_guards_tests_is_hidden(text: str) -> None:
    assert kinds_in(text, FORMS)
    assert A[:16] not in shown(text)
    assert not kinds_in(shown(text), LINE_FORMS)


def patterns_of(form: Form) -> list[re.Pattern[str]]:
    return [form.pattern] if isinstance(form, Shape) else list(form.patterns)  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", LINE_FORMS, ids=lambda form: f"{form.what}")
@given(data=st.data())
def test_what_the_guard_finds_in_a_line_is_not_found_in_the_log(form: Form, data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(patterns_of(form)))
    text = data.draw(st.from_regex(re.compile(pattern.pattern, pattern.flags & ~re.UNICODE | re.ASCII)))
    line = f"{data.draw(st.sampled_from(['', 'x=', 'the ', 'export A=', chr(34)]))}{text[:400]}{'z9' * 30}"
    cleaned = Redactor().clean(" ".join(line.split()))
    assert not kinds_in(cleaned, LINE_FORMS)


def test_a_token_that_is_longer_than_its_form_is_hidden_to_its_end() -> None:
    for token in (
        "hvs" + "." + A[:90],
        "eyJ" + A + "." + "eyJ" + A + A + "." + A,
        "glpat" + "-" + A[:20] + "." + A[:9],
    ):
        assert "Ab3" not in shown(f"the token {token} ends").replace("[redacted]", "")


PLACES = [
    ("login --password hunter22 now", "hunter22"),
    ("login --password=hunter22 now", "hunter22"),
    ('login --password "two words" now', "words"),
    ("login --db-password 'two words' now", "words"),
    ('["--client-secret", "two words", "x"]', "words"),
    ("az login -u app --api-key hunter22", "hunter22"),
    ("curl -u user:pa55word https://example.com", "pa55word"),
    ("curl -u 'user:pa55 word' https://example.com", "word'"),
    ("-u user:pa55word", "pa55word"),
    ("curl --user user:pa55word x", "pa55word"),
    ("curl --proxy-user=user:pa55word x", "pa55word"),
    ("git clone https://user:p@ss,w0rd@example.com/x", "w0rd"),
    ("ftp://:hunter22@example.com", "hunter22"),
    ("Authorization: Basic dXNlcjpwYTU1d29yZA==", "dXNl"),
    ("> authorization: token hunter22", "hunter22"),
    ("Authorization: hunter22", "hunter22"),
    ("Proxy-Authorization: Basic dXNlcjpwYTU1d29yZA==", "dXNl"),
    ("sent Basic dXNlcjpwYTU1d29yZA== to it", "dXNl"),
    ("token=abcdef123456", "abcdef"),
    ("?access_token=abcdef123456&x=1", "abcdef"),
    ('password="two words here"', "words"),
    ("password='two words here'", "words"),
    ("password='two words without an end", "words"),
    (r"{\"password\": \"two words\"}", "words"),
    ('"password": "a \\" quote",', "quote"),
    ("password=abc,def", "def"),
    ('password=ab"c zq"ef', "zq"),
    ("PASSPHRASE: hunter22", "hunter22"),
    ("env['API_KEY'] = 'two words'", "words"),
    ("X-Api-Key: hunter22", "hunter22"),
    ("credentials=hunter22", "hunter22"),
]


@pytest.mark.parametrize(("line", "secret"), PLACES)
def test_a_secret_is_known_by_its_place(line: str, secret: str) -> None:
    cleaned = Redactor().clean(line)
    assert "[redacted]" in cleaned
    assert secret not in cleaned.replace("[redacted]", "")
    assert Redactor().clean_all([line] * 3) == [cleaned] * 3


@pytest.mark.parametrize(
    "line",
    [
        "docker run -u 1000:1000 image",
        "Basic authentication is off",
        "install --token-file /run/x --password-stdin",
        "https://example.com:8443/path@x",
        "TASK [users : -u is not given] ***",
        "Importing GPG key 0xFD431D51: Userid: security@example.com",
        "PASSWORD_FILE=/run/secrets/db",
        "secretary: yes",
    ],
)
def test_an_ordinary_line_stays(line: str) -> None:
    assert Redactor().clean(line) == line


UNITS = [
    *HOSTILE,
    *(
        "password=",
        "password='",
        "--password ",
        "-u a:",
        "--user 'a:",
        " -u",
        "authorization: ",
        "authorization",
    ),
    *(
        "bearer ",
        "basic ",
        "basic YTpi",
        "token",
        "token ",
        "token\\",
        "--",
        "-a",
        "a-",
        "secret=\\'",
        "a://b:",
        "a+",
    ),
    *(
        "-eyJaaaaaaaa",
        "eyJaaaaaaaa.",
        "PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "PuTTY-User-Key-File-2:",
    ),
    *("\\n", "A=", '"', "'", '\\"', "://a:b@", "password:", "sig=", "\x1b[", "\x1b]", "AKIA" + "A" * 16),
]


@pytest.mark.parametrize("unit", UNITS)
def test_no_line_takes_long_however_it_is_made(unit: str) -> None:
    line = (unit * 2 * LINE_LIMIT)[: 2 * LINE_LIMIT]
    redactor = Redactor()
    redactor.clean("-----BEGIN PRIVATE KEY-----")
    started = time.process_time()
    redactor.clean_all([line, f"token --password -u {line}"])
    assert time.process_time() - started < 0.15  # seconds for 32 KiB of text; it takes some 0.007
