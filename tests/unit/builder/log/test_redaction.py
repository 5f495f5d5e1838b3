"""What a log line may show."""

import pytest

from builder.log.redaction import LINE_LIMIT, Redactor

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlc2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (f"token {TOKEN} end", TOKEN),
        ("Authorization: Bearer abcdefghijklmnop1234", "abcdefghijklmnop1234"),
        ("https://a.blob.core.windows.net/c/b?sv=1&sig=AbC%2Fdef%3D&se=2", "AbC%2Fdef%3D"),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9vYmFy==;x=y", "Zm9vYmFy=="),
        ("git clone https://user:hunter22@example.com/x.git", "hunter22"),
        ("DB_PASSWORD=hunter22", "hunter22"),
        ('"client_secret": "hunter22",', "hunter22"),
        ("key AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
        ("ghp_" + "a" * 36, "a" * 36),
        ("xoxb-123456789012-abcdef", "123456789012-abcdef"),
        ("the value own-secret-of-this-run here", "own-secret-of-this-run"),
    ],
)
def test_a_secret_is_hidden(line: str, secret: str) -> None:
    shown = Redactor(["own-secret-of-this-run"]).clean(line)
    assert secret not in shown
    assert "[redacted]" in shown


MIXED = [
    "x\n",
    "two\r\n",
    "",
    "\n",
    "a\ttab\n",
    "red \x1b[31m\n",
    "zero\u200bwidth\n",
    f"token {TOKEN}\n",
    "-----BEGIN PRIVATE KEY-----\n",
    "MIIEpAIBAAKCAQEAMIIE\n",
    "-----END PRIVATE KEY-----\n",
    "the value own-secret-of-this-run here\n",
    "x" * 9000 + "\n",
    "x" * 20_000,
    "DB_PASSWORD=hunter22\n",
]


@pytest.mark.parametrize("between", [0, 1, 7, 8, 63, 64, 200])
def test_many_lines_at_once_are_shown_as_one_by_one(between: int) -> None:
    lines = [line for each in MIXED for line in (*["harmless\n"] * between, each)]
    one_by_one = Redactor(["own-secret-of-this-run"])
    at_once = Redactor(["own-secret-of-this-run"]).clean_all(lines)
    assert at_once == [one_by_one.clean(line) for line in lines]
    assert not any(secret in "".join(at_once) for secret in (TOKEN, "own-secret", "MIIE", "hunter22"))


def test_a_long_secret_of_this_run_that_is_broken_where_looking_ends_is_not_shown() -> None:
    secret = "0123456789" * 500
    shown = Redactor([secret]).clean("password=" + "x" * 13_000 + " " + secret + "\n")
    assert "0123456789" not in shown


@pytest.mark.parametrize(
    "line",
    [
        "==> azure-arm.image: Connected to SSH!",
        "2026-11-21T11:00:00Z: ==> azure-arm.image: Waiting for SSH to become available...",
        "TASK [rhel9_hardening : Set the minimum password age] ***",
        "sha256sum: 3fa9c1d20b77f0e1d2c3b4a5968778695a4b3c2d1e0f11223344556677889900",
    ],
)
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert Redactor().clean(line) == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\x00b\rc\x08d", "a b c d"),
        ("a\u202eb", "a b"),
        ("a\u200bb\u2067c\ufeffd", "a b c d"),
        ("\x1b]8;;https://evil.example.com\x1b\\text\x1b]8;;\x1b\\", "text"),
        ("tab\tkept\n", "tab\tkept"),
    ],
)
def test_control_sequences_are_taken_out(line: str, shown: str) -> None:
    assert Redactor().clean(line) == shown


def test_a_line_has_an_end() -> None:
    assert len(Redactor().clean("x" * 1_000_000)) <= LINE_LIMIT + 20


def test_a_secret_that_a_cut_would_break_is_hidden_before_the_line_is_cut() -> None:
    token = "ghp_" + "a1B2" * 9
    for before in range(LINE_LIMIT - 60, LINE_LIMIT + 10):
        shown = Redactor().clean(" " * before + token + " " * LINE_LIMIT)
        assert "ghp_" not in shown
        assert shown.endswith(" [line cut]")


def test_a_secret_that_is_broken_where_looking_ends_is_not_shown_however_short_the_rest_became() -> None:
    token = "ghp_" + "a1B2" * 9
    for before in range(16_384 - 60, 16_384 + 10):
        long_secret = "password=" + "x" * (before - 10)  # becomes some ten characters
        shown = Redactor().clean(f"{long_secret} {token} and more\n")
        assert "ghp_" not in shown
