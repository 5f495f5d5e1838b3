"""A private key is hidden in a log, and nothing but its own text is."""

import pytest

from builder.log.redaction import Redactor

BEGIN, END = "-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"
TEXT = "MIIEpAIBAAKCAQEA" * 4
PREFIX = "2026-11-21T11:00:00Z:     azure-arm.image: "


def shown(*lines: str) -> list[str]:
    return Redactor().clean_all([f"{line}\n" for line in lines])


def test_a_key_is_hidden_over_all_its_lines_and_its_frame_is_shown() -> None:
    lines = shown(f"a {BEGIN}", TEXT, TEXT, "MIIE=", f"{END} b", "after")
    assert lines == [f"a {BEGIN}", "[redacted]", "[redacted]", "[redacted]", f"{END} b", "after"]


@pytest.mark.parametrize(
    "prefix", ["", PREFIX, "==> azure-arm.image: ", "    ", "> ", "+", '"', "azure-arm.image: | "]
)
def test_a_key_is_hidden_behind_what_stands_before_its_lines(prefix: str) -> None:
    lines = shown(*(f"{prefix}{line}" for line in (BEGIN, TEXT, TEXT, "Ab1=", END, "after")))
    assert not any("MIIE" in line or "Ab1=" in line for line in lines)
    assert lines[-1] == f"{prefix}after"


@pytest.mark.parametrize(
    "line",
    [
        f"{BEGIN}\\n{TEXT}\\n{TEXT}\\nAb1=\\n{END}",
        f'{{"key": "{BEGIN}\\n{TEXT}\\nAb1=\\n{END}\\n"}}',
        f"{BEGIN} {TEXT} {TEXT} Ab1= {END}",
        f"{BEGIN}{TEXT}",
        f"{BEGIN}\\n{TEXT}\\nAb1=",
    ],
)
def test_a_key_within_one_line_is_hidden(line: str) -> None:
    (found,) = shown(line)
    assert "MIIE" not in found
    assert "Ab1=" not in found


def test_other_lines_between_the_lines_of_a_key_are_shown_and_end_nothing() -> None:
    lines = shown(BEGIN, TEXT, "a harmless line", TEXT, END)
    assert lines == [BEGIN, "[redacted]", "a harmless line", "[redacted]", END]


PLATFORM = [
    "==> azure-arm.image: imagefactory: step 4 of 9: shell: platform/hygiene-check.sh [1f09ab34]",
    f"{PREFIX}3fa9c1d20b77f0e1d2c3b4a5968778695a4b3c2d1e0f11223344556677889900  scripts/run.sh",
    "/usr/local/share/information",
    "Complete!",
    "done",
    "",
    "imagefactory: the hygiene check found 3 files",
]


@pytest.mark.parametrize(
    "header",
    [BEGIN, "---- BEGIN SSH2 ENCRYPTED " + "PRIVATE KEY ----", "PuTTY-User-Key-" + "File-2: ssh-rsa"],
)
def test_a_header_without_a_key_hides_nothing(header: str) -> None:
    lines = [header, *(PLATFORM * 60)]
    assert shown(*lines) == lines
    assert shown(BEGIN + END, *PLATFORM) == [BEGIN + END, *PLATFORM]


def test_a_search_for_keys_is_shown() -> None:
    line = f"grep -e '{BEGIN}' -e '{END}' /etc/ssl/private"
    assert shown(line, *PLATFORM) == [line, *PLATFORM]


def test_a_key_without_an_end_hides_what_looks_like_a_key_for_400_lines() -> None:
    lines = shown(BEGIN, *[TEXT] * 1000)
    assert lines[1:401] == ["[redacted]"] * 400
    assert lines[401:] == [TEXT] * 600


def test_a_second_header_begins_a_second_key() -> None:
    lines = shown(BEGIN, *["x y"] * 399, f"{BEGIN} again", TEXT)
    assert lines[-1] == "[redacted]"


def test_a_putty_key_is_hidden() -> None:
    begin = "PuTTY-User-Key-" + "File-3: ssh-ed25519"
    lines = shown(begin, "Encryption: none", "Private-Lines: 1", TEXT, "Private-MAC: ab12", TEXT)
    assert lines == [begin, "Encryption: none", "Private-Lines: 1", "[redacted]", "Private-MAC: ab12", TEXT]


def test_a_pgp_key_is_hidden_with_its_checksum() -> None:
    begin, end = "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----", "-----END PGP " + "PRIVATE KEY BLOCK-----"
    lines = shown(begin, "Version: GnuPG v2", "", TEXT, "Ab==", "=xY1z", end)
    assert lines == [begin, "Version: GnuPG v2", "", *["[redacted]"] * 3, end]
