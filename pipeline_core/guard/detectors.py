"""Detectors of detect-secrets as forms of this guard: only what runs offline and in bounded time.

The import of the library takes 100 ms. So a module that the function app imports at its start must not import this
module; the wiring loads it. Left out, with figures in docs/adr/0016: detectors by entropy or keyword (false alarms on
ordinary scripts), those whose time grows with the square of a line (JWT, npm, OpenAI), and Twilio's, whose keys look
like many other words.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from detect_secrets.filters.heuristic import is_templated_secret
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector

from pipeline_core.guard.secrets import OWN_FORMS, Form

_KEY_LINE = re.compile(
    # A script that looks for keys holds only the header; a key has its text after the header.
    r"-{4,5}(?:\s|\\r|\\n){1,8}(?:[A-Z][A-Za-z-]{3,20}: |[A-Za-z0-9+/=]{16})"
)
_PUTTY = "PuTTY-User-Key-File"
_PLACEHOLDER = re.compile(r"(?i)pass(?:word)?|passwd|changeme|example|secret|user|token|x{3,}|\*+|\.{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """Patterns of one detector of the library; one of `hints` is in every match, in lower case."""

    what: str
    patterns: Iterable[re.Pattern[str]]
    hints: tuple[str, ...]
    is_real: Callable[[re.Match[str]], bool]

    def first(self, text: str, lowered: str) -> int | None:
        """Where the first secret begins; a placeholder for a secret is skipped."""
        if not any(hint in lowered for hint in self.hints):
            return None
        firsts = (self._first_of(pattern, text) for pattern in self.patterns)
        return min((start for start in firsts if start is not None), default=None)

    def _first_of(self, pattern: re.Pattern[str], text: str) -> int | None:
        return next((found.start() for found in pattern.finditer(text) if self.is_real(found)), None)


def forms() -> tuple[Form, ...]:
    """All forms: the library's and our own."""
    access_key, *_ = AWSKeyDetector.denylist  # the next ones look around each "aws", which can take minutes
    return (
        _tokens("an AWS key", [access_key], "a3t", "abia", "acca", "akia", "asia"),
        _tokens("an Azure storage key", AzureStorageKeyDetector.denylist, "accountkey="),
        _tokens("a GitHub token", GitHubTokenDetector.denylist, "gh"),
        _tokens("a GitLab token", GitLabTokenDetector.denylist, "gl", "gr1348941"),
        _tokens("a PyPI token", PypiTokenDetector.denylist, "pypi-"),
        _tokens("a SendGrid key", SendGridDetector.denylist, "sg."),
        _tokens("a Slack token", SlackDetector.denylist, "xox", "hooks.slack"),
        _tokens("a Square secret", SquareOAuthDetector.denylist, "sq0csp-"),
        _tokens("a Stripe key", StripeDetector.denylist, "k_live_"),
        Detector(
            what="a private key",
            patterns=PrivateKeyDetector.denylist,
            hints=("private key", "putty-user"),
            is_real=_has_key_text,
        ),
        Detector(
            what="an address with a password",
            patterns=BasicAuthDetector.denylist,
            hints=("://",),
            is_real=_is_no_placeholder,
        ),
        *OWN_FORMS,
    )


def _tokens(what: str, patterns: Iterable[re.Pattern[str]], *hints: str) -> Detector:
    return Detector(what=what, patterns=patterns, hints=hints, is_real=_is_whole)


def _is_whole(found: re.Match[str]) -> bool:
    """False inside a longer word, as in base64 and names of programs, and for the key in AWS' manuals."""
    before = found.string[max(0, found.start() - 1) : found.start()]
    return not (before.isalnum() or before in ("_", "+")) and not found[0].endswith("EXAMPLE")


def _has_key_text(found: re.Match[str]) -> bool:
    return found[0].startswith(_PUTTY) or _KEY_LINE.match(found.string, found.end()) is not None


def _is_no_placeholder(found: re.Match[str]) -> bool:
    value = found[1]
    return len(value) > 3 and not is_templated_secret(value) and not _PLACEHOLDER.fullmatch(value)
