"""The kinds of text in a document: each checks its form and raises `Refused` with the way to repair it.

Looks at one value alone. The document that has two values has the rules over both.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from pipeline_core.domain import names, texts, windows
from pipeline_core.domain.errors import InvalidValue

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_EMAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}", re.ASCII
)
_GRANTOR = re.compile(
    r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|role:[A-Za-z0-9][A-Za-z0-9._-]{0,118}", re.ASCII
)
GRANTOR_RULE = (
    "give the object id of a person or an application (`az ad signed-in-user show --query id`), or role:NAME"
    " for an app role"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


class Refused(ValueError):
    """A text of the wrong form; Pydantic carries it to `document.problems`."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def shown(text: object) -> str:
    """A value as a message shows it: quoted, escaped, short."""
    quoted = repr(text)
    return quoted if len(quoted) <= 80 else f"{quoted[:77]}..."


def seconds_of(text: str) -> timedelta:
    """`60m` as a duration; raises Refused where the text is not a duration."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Refused(f"{shown(text)} is not a duration", "give a number and one of s, m, h, d, like 60m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def duration(lowest: str, highest: str) -> Callable[[str], str]:
    """A check for durations from `lowest` to `highest`."""

    def check(text: str) -> str:
        if not seconds_of(lowest) <= seconds_of(text) <= seconds_of(highest):
            raise Refused(f"{text} is out of bounds", f"give {lowest} to {highest}")
        return text

    return check


def value_of(kind: Callable[[str], object], example: str) -> Callable[[str], str]:
    """A check that a domain value can be made of the text."""

    def check(text: str) -> str:
        try:
            kind(text)
        except InvalidValue as error:
            raise Refused(
                f"{shown(text)} is not allowed here", f"give {error.rule}, like {example}"
            ) from error
        return text

    return check


def form(pattern: str, what: str) -> Callable[[str], str]:
    """A check that the whole text matches; `what` names the wanted form in words."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise Refused(f"{shown(text)} is not allowed here", f"give {what}")
        return text

    return check


def bundle_path(text: str) -> str:
    """A file of the folder: a path from the folder, with forward slashes."""
    remedy = "give a file of this folder, like scripts/install.sh, without '..', './' or a leading '/'"
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text):
        raise Refused(f"{shown(text)} is an absolute path", remedy)
    parts = text.split("/")
    if ".." in parts:
        raise Refused(f"{shown(text)} leaves the folder", remedy)
    if "\\" in text or texts.find_hidden(text) or any(part in ("", ".") for part in parts):
        raise Refused(f"{shown(text)} is not a plain path", remedy)
    return text


def guest_path(text: str) -> str:
    """An absolute file name in the guest."""
    remedy = "give an absolute file name in the image, like /etc/app.conf"
    if not text.startswith("/"):
        raise Refused(f"{shown(text)} is a relative path", remedy)
    parts = text[1:].split("/")
    if texts.find_hidden(text) or any(part in ("", ".", "..") for part in parts):
        raise Refused(f"{shown(text)} is not a plain path of a file", remedy)
    return text


def waived_path(text: str) -> str:
    """An absolute file name in the guest. It may end in `@sha256:` and a digest: this content of the file alone."""
    _, at, digest = guest_path(text).partition("@sha256:")
    if at and not _SHA256.fullmatch(digest):
        raise Refused(f"{shown(text)} ends in a broken digest", "give its 64 small hexadecimal digits")
    return text


def grantor(text: str) -> str:
    """An object id or `role:NAME`. An e-mail address is read too: documents of older releases name grantors so."""
    if "@" in text:
        return email(text)
    if not _GRANTOR.fullmatch(text):
        raise Refused(f"{shown(text)} is neither an object id nor an app role", GRANTOR_RULE)
    return text


def email(text: str) -> str:
    """An e-mail address."""
    if _EMAIL.fullmatch(text) is None or ".." in text:
        raise Refused(f"{shown(text)} is not an e-mail address", "give an address, like payments@example.com")
    return text


def https_url(text: str) -> str:
    """An https address without a user, a password or a fragment."""
    remedy = "give an https address, like https://hooks.example.com/images"
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises where the port is not a number
    except ValueError as error:
        raise Refused(f"{shown(text)} is not an address", remedy) from error
    if "@" in parts.netloc or parts.fragment:
        # The address is not shown, because a message must not hold a password.
        raise Refused("is an address with a user, a password or a fragment", remedy)
    if parts.scheme != "https":
        raise Refused(f"{shown(text)} is not https", remedy)
    host = parts.hostname or ""
    if texts.find_hidden(text) or " " in text or _HOST.fullmatch(host) is None:
        raise Refused(f"{shown(text)} is not an address", remedy)
    return text


def window(text: str) -> str:
    """Days, hours and a time zone."""
    try:
        windows.parse_window(text)
    except InvalidValue as error:
        raise Refused(f"{shown(text)} is not a window", f"give {error.rule}") from error
    return text


def day(text: str) -> str:
    """A day of the calendar."""
    try:
        if _DATE.fullmatch(text):
            date.fromisoformat(text)
            return text
    except ValueError as error:
        raise Refused(
            f"{shown(text)} is not a day of the calendar", "give a date, like 2027-01-31"
        ) from error
    raise Refused(f"{shown(text)} is not a date", "give a date, like 2027-01-31")


def plain(text: str) -> str:
    """A text without control characters, except line ends and tabs, and without turned or invisible ones."""
    hidden = texts.find_hidden(text, keeping=texts.LINES)
    if hidden is not None:
        raise Refused(f"{shown(text)} holds the hidden character U+{ord(hidden):04X}", "remove it")
    return text


def environment_value(text: str) -> str:
    """A text that can be the value of an environment variable."""
    if "\0" in text:
        raise Refused("holds a zero byte", "remove it")
    return text


ImageText = Annotated[str, Field(max_length=63), AfterValidator(value_of(names.ImageName, "payments-api"))]
TeamText = Annotated[str, Field(max_length=63), AfterValidator(value_of(names.TeamName, "payments"))]
ChannelText = Annotated[str, Field(max_length=32), AfterValidator(value_of(names.ChannelName, "live"))]
RegionText = Annotated[str, Field(max_length=41), AfterValidator(value_of(names.Region, "westeurope"))]
PathText = Annotated[str, Field(min_length=1, max_length=240), AfterValidator(bundle_path)]
GuestPathText = Annotated[str, Field(min_length=1, max_length=240), AfterValidator(guest_path)]
WaivedPathText = Annotated[str, Field(min_length=1, max_length=240), AfterValidator(waived_path)]
EmailText = Annotated[str, Field(max_length=254), AfterValidator(email)]
GrantorText = Annotated[str, Field(max_length=254), AfterValidator(grantor)]
UrlText = Annotated[str, Field(max_length=2000), AfterValidator(https_url)]
WindowText = Annotated[str, Field(max_length=120), AfterValidator(window)]
DayText = Annotated[str, Field(max_length=10), AfterValidator(day)]
PlainText = Annotated[str, Field(max_length=1000), AfterValidator(plain)]
ShortText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain)]
SourceText = Annotated[
    str,
    Field(max_length=128),
    AfterValidator(
        form(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "the exact name, as `az vm image list` shows it")
    ),
]
SizeText = Annotated[
    str,
    Field(max_length=64),
    AfterValidator(form(r"(Standard|Basic)_[A-Za-z0-9_-]{1,56}", "a VM size, like Standard_D2s_v5")),
]
ToolText = Annotated[
    str,
    Field(max_length=63),
    AfterValidator(
        form(
            r"[a-z][a-z0-9]*([._-][a-z0-9]+)*",
            "the id of a catalog entry without a version, like falcon-sensor",
        )
    ),
]
ProfileText = Annotated[
    str,
    Field(max_length=120),
    AfterValidator(form(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,119}", "the id of a profile, like cis_server_l1")),
]
RuleText = Annotated[
    str,
    Field(max_length=200),
    AfterValidator(form(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", "the id of a rule, without wildcards")),
]
LabelText = Annotated[
    str,
    Field(max_length=63),
    AfterValidator(
        form(
            r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?",
            "a key of letters, digits, dots, dashes and slashes",
        )
    ),
]
VariableText = Annotated[
    str,
    Field(max_length=128),
    AfterValidator(form(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "a variable's name of letters, digits and _")),
]
VariableValue = Annotated[str, Field(max_length=4096), AfterValidator(environment_value)]
