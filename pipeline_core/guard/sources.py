"""The guard for `platform/sources/settings.json`: where builds and deployed machines get their packages from.

Judges only the document and the names of the files that lie beside it. Asks no server. The same forms are in
`images/platform/sources/settings.schema.json`, for editors. A test checks that both agree.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule

SETTINGS = "platform/sources/settings.json"  # in the platform bundle
FINDING_LIMIT = 50
REPOSITORY_LIMIT = 50
RELEASE_LIMIT = 200
NO_PROXY_LIMIT = 50
# Machines reach these without a proxy, whatever the settings say: themselves, the metadata service, and Azure's own
# address for DNS and the agent.
NEVER_BY_PROXY = ("localhost", "127.0.0.1", "::1", "169.254.169.254", "168.63.129.16")

_TOP = ("build", "deployed", "releases")
_BUILD = ("repositories", "proxy", "noProxy", "pipIndex")
_FORMER = ("catalogMirror",)  # keys of platform steps of an older release, which their own scripts read
_DEPLOYED = ("repositories", "proxy")
_REPOSITORY = ("id", "name", "baseurl", "gpgKey", "caCertificate")
_REQUIRED = ("id", "baseurl", "gpgKey")
_RELEASE = ("releasever", "eus")

_HOST = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_PORT = r"(:[1-9][0-9]{0,4})?"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][ A-Za-z0-9._(),/-]{0,199}", re.ASCII)
_ADDRESS = re.compile(rf"https://{_HOST}{_PORT}(/[A-Za-z0-9._~+$-]+)*/?", re.ASCII)
# A build that asks nothing asks these already. As a source of the build alone, each file that names one is a finding.
_PUBLIC = re.compile(
    r"https://(([a-z0-9.-]+\.)?pypi\.org|pypi\.python\.org|files\.pythonhosted\.org)(:[0-9]+)?(/.*)?"
)
_PROXY = re.compile(rf"https?://{_HOST}{_PORT}/?", re.ASCII)
_NO_PROXY = re.compile(
    r"[.]?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]{2,39}|[0-9.]{7,15}/[0-9]{1,2}", re.ASCII
)
_KEY = re.compile(
    r"keys/[A-Za-z0-9][A-Za-z0-9._-]{0,99}|/etc/pki/(?:[A-Za-z0-9][A-Za-z0-9._-]*/)*[A-Za-z0-9][A-Za-z0-9._-]*",
    re.ASCII,
)
_RELEASEVER = re.compile(r"[1-9][0-9]?\.[0-9]{1,2}", re.ASCII)
_IMAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(?<!.{64})", re.ASCII)
_LENGTH = 1000


def check_sources(
    document: object, names: Collection[str], *, is_in_force: bool = False
) -> tuple[Finding, ...]:
    """Every finding in the settings of a platform bundle with the files `names`.

    `is_in_force`: the bundle was registered before, perhaps by an older release. Its keys are let pass.
    """
    former = _FORMER if is_in_force else ()
    return tuple(islice(_findings(document, names, former), FINDING_LIMIT))


def environment_of(document: Mapping[str, object]) -> Mapping[str, str]:
    """The variables that every step of a build gets; `check_sources` has passed the document.

    curl, pip and most other programs read the names in small letters, some only those in capitals. Nothing of it is
    written into the machine.
    """
    build = _mapping(document.get("build"))
    found = {}
    proxy = build.get("proxy")
    if isinstance(proxy, str):
        given = build.get("noProxy")
        direct = ",".join([*NEVER_BY_PROXY, *(map(str, given) if isinstance(given, list) else ())])
        values = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": direct}
        found.update(values | {name.upper(): value for name, value in values.items()})
    index = build.get("pipIndex")
    if isinstance(index, str):
        found["PIP_INDEX_URL"] = index
    return found


def _findings(document: object, names: Collection[str], former: Collection[str]) -> Iterator[Finding]:
    if not isinstance(document, Mapping):
        yield _shape("sources", "is not a JSON object", f"give {', '.join(_TOP)}, or {{}}")
        return
    yield from _unknown("sources", document, ("$schema", *_TOP))
    for part, keys in (("build", _BUILD), ("deployed", _DEPLOYED)):
        given = document.get(part)
        if given is None:
            continue
        place = f"sources.{part}"
        if not isinstance(given, Mapping):
            yield _shape(place, "is not a mapping", f"give {', '.join(keys)}, or leave it out")
            continue
        yield from _unknown(place, {key: given[key] for key in given if key not in former}, keys)
        yield from _repositories(f"{place}.repositories", given.get("repositories"), names)
        yield from _address(f"{place}.proxy", given.get("proxy"), _PROXY, "http://proxy.example.com:3128")
    build = _mapping(document.get("build"))
    deployed = _mapping(document.get("deployed"))
    if deployed.get("repositories") is not None and build.get("repositories") is None:
        message = "is set, and build.repositories is not: a child's build and the verify stage would ask it"
        remedy = "give build.repositories too, which may be the same ones, or null here"
        yield _shape("sources.deployed.repositories", message, remedy)
    index = build.get("pipIndex")
    yield from _address("sources.build.pipIndex", index, _ADDRESS, "https://pypi.example.com/simple")
    if isinstance(index, str) and _PUBLIC.fullmatch(index):
        remedy = "leave it out: pip asks it by itself, or give an index of yours"
        yield _finding(GuardRule.SOURCES_ADDRESS, "sources.build.pipIndex", "is a public index", remedy)
    yield from _no_proxy(build.get("noProxy"))
    yield from _releases(document.get("releases"), has_mirror=isinstance(build.get("repositories"), list))


def _repositories(place: str, given: object, names: Collection[str]) -> Iterator[Finding]:
    if given is None:
        return
    if not isinstance(given, list) or not 0 < len(given) <= REPOSITORY_LIMIT:
        remedy = f"give 1 to {REPOSITORY_LIMIT}, or null for those of the image"
        yield _shape(place, "is not a list of repositories", remedy)
        return
    seen: set[object] = set()
    for position, each in enumerate(given):
        here = f"{place}[{position}]"
        if not isinstance(each, Mapping):
            yield _shape(here, "is not a mapping", f"give {', '.join(_REQUIRED)}")
            continue
        yield from _unknown(here, each, _REPOSITORY)
        yield from _text(f"{here}.id", each.get("id"), _ID, "rhel-9-baseos")
        if "name" in each:
            yield from _text(f"{here}.name", each["name"], _NAME, "RHEL 9 BaseOS, mirrored")
        address = "https://mirror.example.com/rhel9/$basearch/baseos"
        yield from _address(f"{here}.baseurl", each.get("baseurl"), _ADDRESS, address, is_required=True)
        yield from _file(f"{here}.gpgKey", each.get("gpgKey"), names)
        if "caCertificate" in each:
            yield from _file(f"{here}.caCertificate", each["caCertificate"], names)
        if isinstance(each.get("id"), str):
            if each["id"] in seen:
                yield _shape(f"{here}.id", f"has {str(each['id'])[:60]!r} again", "give each its own id")
            seen.add(each["id"])


def _file(place: str, given: object, names: Collection[str]) -> Iterator[Finding]:
    if not isinstance(given, str) or len(given) > _LENGTH or _KEY.fullmatch(given) is None:
        remedy = "give keys/NAME, a file beside the settings, or a file of the image below /etc/pki"
        yield _finding(GuardRule.SOURCES_KEY, place, "is missing or not the name of a file", remedy)
    elif given.startswith("keys/") and f"platform/sources/{given}" not in names:
        remedy = f"put it at platform/sources/{given}"
        yield _finding(GuardRule.SOURCES_KEY, place, f"{given[:120]!r} is not in the bundle", remedy)


def _address(
    place: str, given: object, form: re.Pattern[str], example: str, *, is_required: bool = False
) -> Iterator[Finding]:
    if given is None and not is_required:
        return
    if not isinstance(given, str) or len(given) > _LENGTH or form.fullmatch(given) is None:
        # Not shown: it may hold a password.
        message = "is missing, or an address with a user, a query, capitals in the host, or of another scheme"
        yield _finding(GuardRule.SOURCES_ADDRESS, place, message, f"give a plain address, like {example}")


def _no_proxy(given: object) -> Iterator[Finding]:
    place = "sources.build.noProxy"
    if given is None:
        return
    if not isinstance(given, list) or len(given) > NO_PROXY_LIMIT:
        yield _shape(place, "is not a list", f"give at most {NO_PROXY_LIMIT} hosts, like .example.com")
        return
    for position, each in enumerate(given):
        yield from _text(f"{place}[{position}]", each, _NO_PROXY, ".example.com")


def _releases(given: object, *, has_mirror: bool) -> Iterator[Finding]:
    place = "sources.releases"
    if given is None:
        return
    if not isinstance(given, Mapping) or len(given) > RELEASE_LIMIT:
        yield _shape(
            place, "is not a mapping", f"give the release of at most {RELEASE_LIMIT} bases by their names"
        )
        return
    for image, each in given.items():
        here = f"{place}.{str(image)[:63]}"
        if _IMAGE.fullmatch(str(image)) is None:
            yield _shape(here, "is not the name of an image", "give the name of a base, like rhel9-eus")
        if not isinstance(each, Mapping):
            yield _shape(here, "is not a mapping", "give releasever, and eus where it is wanted")
            continue
        yield from _unknown(here, each, _RELEASE)
        yield from _text(
            f"{here}.releasever", each.get("releasever"), _RELEASEVER, "9.6", GuardRule.SOURCES_RELEASE
        )
        if not isinstance(each.get("eus", False), bool):
            yield _shape(f"{here}.eus", "is not true or false", "give true or false")
        elif each.get("eus") and has_mirror:
            message = "is true, and builds use build.repositories instead of Azure's update servers"
            remedy = "name a mirror of the EUS repositories there, and leave eus out"
            yield _finding(GuardRule.SOURCES_RELEASE, f"{here}.eus", message, remedy)


def _text(
    place: str,
    given: object,
    form: re.Pattern[str],
    example: str,
    rule: GuardRule = GuardRule.SOURCES_SHAPE,
) -> Iterator[Finding]:
    if not isinstance(given, str) or len(given) > _LENGTH or form.fullmatch(given) is None:
        yield _finding(rule, place, "is missing or of a wrong form", f"give a text like {example}")


def _unknown(place: str, given: Mapping[object, object], known: Collection[str]) -> Iterator[Finding]:
    for key in sorted(map(str, set(given) - set(known))):
        yield _shape(f"{place}.{key}"[:120], "is not a key of the sources", f"use {', '.join(known)}")


def _mapping(given: object) -> Mapping[str, object]:
    return given if isinstance(given, Mapping) else {}


def _shape(place: str, message: str, remedy: str) -> Finding:
    return _finding(GuardRule.SOURCES_SHAPE, place, message, remedy)


def _finding(rule: GuardRule, place: str, message: str, remedy: str) -> Finding:
    return Finding(rule=rule, place=place, message=message, remedy=remedy)
