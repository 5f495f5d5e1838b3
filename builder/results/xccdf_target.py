"""Takes an XML parser's events and keeps the few facts of a scan. It limits everything that a file could make grow.

An element counts only in its place in XCCDF: a `result` in its `rule-result`, a `score` in the `TestResult`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_NAMESPACES = ("http://checklists.nist.gov/xccdf/1.2", "http://checklists.nist.gov/xccdf/1.1")
_DEFAULT_SCORING = "urn:xccdf:scoring:default"
_WORDS = (
    *("Benchmark", "Rule", "TestResult", "benchmark", "profile", "result", "rule-result", "score", "title"),
    "version",
)
_KNOWN = {f"{{{namespace}}}{word}": word for namespace in _NAMESPACES for word in _WORDS}

_DEPTH_LIMIT = 200  # nested elements; the deepest real results have 30
_NAMES_LIMIT = 4000  # different names of elements, attributes and prefixes; real results have 300
_ATTRIBUTES_LIMIT = 200  # attributes of one element
_RESULTS_LIMIT = 20_000  # rules that are tested; the largest benchmarks have 1,500
_TEXT_LIMIT = 200  # kept characters of a text or an id


class Misfit(Exception):
    """The file has no scan that can be used. The text says why."""


@dataclass(slots=True, kw_only=True)
class RuleResult:
    """The result of one rule, as the file says it. `severity` is empty if only the benchmark names it."""

    rule: str
    severity: str
    word: str = ""


class XccdfTarget:
    """The facts from a parser's events about one file. They are complete at the end of the file."""

    def __init__(self) -> None:
        self.is_result = False
        self.profile = ""
        self.system = ""
        self.benchmark = ""  # its id
        self.release = ""  # its version, as the result names it, else the benchmark itself
        self.results: list[RuleResult] = []
        self.scores: list[tuple[str, str]] = []
        self._rules: dict[str, tuple[str, str]] = {}  # id -> severity, title
        self._path: list[str] = []
        self._names: set[str] = set()
        self._rule = ""
        self._maximum = ""
        self._text: list[str] | None = None  # pieces of the text that is being kept
        self._length = 0
        self._depth = 0  # the depth of the element with this text

    def title(self, rule: str) -> str:
        """The rule's title in the file's benchmark, or empty."""
        return self._rules.get(rule, ("", ""))[1]

    def severity(self, rule: str) -> str:
        """The rule's severity in the file's benchmark, or empty."""
        return self._rules.get(rule, ("", ""))[0]

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._bound(tag, attributes)
        word = _KNOWN.get(tag, "")
        parent = self._path[-1] if self._path else ""
        self._path.append(word)
        if not word:
            return
        if word == "TestResult":
            if self.is_result:
                raise Misfit("they hold more than one TestResult, and nothing says which one counts")
            self.is_result = True
            self.release = _plain(attributes.get("version", "")) or self.release
            self.system = _plain(attributes.get("test-system", ""))
        elif parent == "TestResult":
            self._start_in_result(word, attributes)
        elif word == "Rule":
            self._start_rule(attributes)
        elif word == "Benchmark":
            self.benchmark = self.benchmark or _plain(attributes.get("id", ""))
        elif (word, parent) == ("result", "rule-result"):
            if self._path[-3:-2] != ["TestResult"]:  # it would count for the rule before it, or for none
                raise Misfit("they hold a result of a rule outside of a TestResult's own rules")
            self._keep_text()
        elif (word, parent) in (("title", "Rule"), ("version", "Benchmark")):
            self._keep_text()

    def end(self, tag: str) -> None:
        """An element ends."""
        depth, word = len(self._path), self._path.pop()
        if self._text is None or depth != self._depth:
            return
        text, self._text = _plain("".join(self._text)), None
        if word == "result":
            if self.results[-1].word:
                raise Misfit(f"the rule {self.results[-1].rule} has more than one result")
            self.results[-1].word = text
        elif word == "score":
            self.scores.append((text, self._maximum))
        elif word == "version":
            self.release = self.release or text
        elif word == "title":
            severity, title = self._rules.get(self._rule, ("", ""))
            self._rules[self._rule] = (severity, title or text)

    def data(self, text: str) -> None:
        """A piece of text."""
        if self._text is None or self._length > _TEXT_LIMIT * 4:
            return
        self._text.append(text)
        self._length += len(text)

    def start_ns(self, prefix: str, uri: str) -> None:
        """A namespace is declared."""
        self._names.update((f"xmlns:{prefix or ''}", uri or ""))

    def close(self) -> None:
        """The end of the file."""

    def _start_in_result(self, word: str, attributes: Mapping[str, str]) -> None:
        if word == "profile":
            self.profile = _plain(attributes.get("idref", ""))
        elif word == "benchmark":
            self.benchmark = _plain(attributes.get("id", "")) or self.benchmark
        elif word == "rule-result":
            if len(self.results) == _RESULTS_LIMIT:
                raise Misfit(f"they hold results of more than {_RESULTS_LIMIT:,} rules")
            rule, severity = _plain(attributes.get("idref", "")), _plain(attributes.get("severity", ""))
            self.results.append(RuleResult(rule=rule, severity=severity))
        elif word == "score" and attributes.get("system", _DEFAULT_SCORING) == _DEFAULT_SCORING:
            self._maximum = _plain(attributes.get("maximum", "100"))
            self._keep_text()

    def _start_rule(self, attributes: Mapping[str, str]) -> None:
        if len(self._rules) == _RESULTS_LIMIT:
            raise Misfit(f"their benchmark holds more than {_RESULTS_LIMIT:,} rules")
        self._rule = _plain(attributes.get("id", ""))
        self._rules.setdefault(self._rule, (_plain(attributes.get("severity", "")), ""))

    def _keep_text(self) -> None:
        self._text, self._length, self._depth = [], 0, len(self._path)

    def _bound(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self._path) == _DEPTH_LIMIT:
            raise Misfit(f"their elements are nested more than {_DEPTH_LIMIT} deep")
        if len(attributes) > _ATTRIBUTES_LIMIT:
            raise Misfit(f"one element has more than {_ATTRIBUTES_LIMIT} attributes")
        self._names.add(tag)
        self._names.update(attributes)
        if len(self._names) > _NAMES_LIMIT:
            raise Misfit(f"they use more than {_NAMES_LIMIT:,} different names")


def _plain(text: str) -> str:
    """The text on one line, without characters that cannot be printed, and within the report's limit."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_TEXT_LIMIT]
