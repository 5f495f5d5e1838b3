"""Detectors of detect-secrets as forms of this guard: only what runs offline and in bounded time.

The import of the library takes 100 ms. So a module that the function app imports at its start must not import this
module; the wiring loads it. Left out, with figures in docs/adr/0016: detectors by entropy or keyword (false alarms on
ordinary scripts), those whose time grows with the square of a line (JWT, npm, OpenAI), and Twilio's, whose keys look
like many other words.
"""

import re
from collections.abc import Callable, Iterable, Iterator
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

from pipeline_core.guard import keys
from pipeline_core.guard.secrets import OWN_FORMS, OWN_KEY_FORMS, Form

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
        if not self._may_hold(lowered):
            return None
        firsts = (next(self._found(pattern, text), None) for pattern in self.patterns)
        return min((found.start() for found in firsts if found is not None), default=None)

    def spans(self, text: str, lowered: str) -> Iterator[tuple[int, int]]:
        """Begin and end of each secret; placeholders are skipped."""
        if self._may_hold(lowered):
            for pattern in self.patterns:
                yield from (found.span() for found in self._found(pattern, text))

    def _may_hold(self, lowered: str) -> bool:
        return any(hint in lowered for hint in self.hints)

    def _found(self, pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
        return (found for found in pattern.finditer(text) if self.is_real(found))


def forms() -> tuple[Form, ...]:
    """All forms: the library's and our own."""
    return (*line_forms(), *key_forms())


def key_forms() -> tuple[Form, ...]:
    """The forms of private keys, which have several lines."""
    found = Detector(
        what="a private key",
        patterns=PrivateKeyDetector.denylist,
        hints=("private key", "putty-user"),
        is_real=_has_key_text,
    )
    return (found, *OWN_KEY_FORMS)


def line_forms() -> tuple[Form, ...]:
    """The forms of secrets that lie within one line."""
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
    return found[0].startswith(keys.PUTTY) or keys.KEY_LINE.match(found.string, found.end()) is not None


def _is_no_placeholder(found: re.Match[str]) -> bool:
    value = found[1]
    return len(value) > 3 and not is_templated_secret(value) and not _PLACEHOLDER.fullmatch(value)
