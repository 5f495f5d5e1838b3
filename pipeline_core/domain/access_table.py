"""The one table of who may do what: (operation, role, ownership, kind of image). Pure data; `access` decides by it.

What the table does not allow is refused. `docs/access.md` is generated from it, and a test asks every cell over HTTP.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, unique


@unique
class SubjectKind(Enum):
    """What an operation is about."""

    BASE = "base"  # an image that is built from the Marketplace, and what belongs to it
    TEAM_IMAGE = "team's image"  # an image with a parent, and what belongs to it
    FACTORY = "no image"  # the factory as a whole, or what belongs to no image


@unique
class CallerStanding(Enum):
    """What a caller is towards one thing: role and ownership in one word."""

    SECOPS = "SecOps"  # role Factory.Admin; whose image it is does not matter
    OWNER = "its team"  # a member of the team that owns it
    TEAM = "another team"  # a member of some team that does not own it, or where nobody owns it
    READER = "reader"  # role Factory.Reader; whose image it is does not matter
    NOBODY = "nobody"  # without a token, or without any role in this factory


EVERYBODY = frozenset(CallerStanding)
READERS = frozenset({CallerStanding.SECOPS, CallerStanding.OWNER, CallerStanding.TEAM, CallerStanding.READER})
TEAMS = frozenset({CallerStanding.SECOPS, CallerStanding.OWNER, CallerStanding.TEAM})
OWNER_ALONE = frozenset({CallerStanding.OWNER})
OWNERS = frozenset({CallerStanding.SECOPS, CallerStanding.OWNER})
SECOPS = frozenset({CallerStanding.SECOPS})


@unique
class ApiOperation(Enum):
    """Everything that the API and its pages do; the text is the name of the route."""

    CHECK_HEALTH = "check_health"
    READ_OPENAPI = "openapi"

    LIST_IMAGES = "list_images"
    SHOW_IMAGE = "show_image"
    LIST_BUILDS = "list_builds"
    LIST_JOURNAL = "list_journal"
    SHOW_BUILD = "show_build"
    SHOW_LINEAGE = "show_lineage"
    LIST_EVIDENCE = "list_evidence"
    READ_EVIDENCE = "read_evidence"
    READ_SBOM = "read_sbom"
    COMPARE_VERSIONS = "compare_versions"
    SHOW_PROVENANCE = "show_provenance"
    LIST_KEYS = "list_keys"
    SHOW_RETENTION = "show_retention"
    LIST_RETENTION = "list_retention"
    SHOW_GALLERIES = "show_galleries"
    LIST_VERSIONS = "list_versions"
    LIST_NAMES = "list_names"
    SHOW_POLICY = "show_policy"
    LIST_POLICY_VERSIONS = "list_policy_versions"
    SHOW_POLICY_VERSION = "show_policy_version"
    LIST_APPROVALS = "list_approvals"
    LIST_BASES = "list_bases"
    LIST_WAIVERS = "list_waivers"
    LIST_SOURCES = "list_sources"
    LIST_OUTAGES = "list_outages"
    SHOW_PAUSE = "show_pause"
    SHOW_PLATFORM = "show_platform"
    LIST_UNREADABLE = "list_unreadable"
    LIST_RECEIVERS = "list_receivers"
    GET_RECEIVER = "get_receiver"
    LIST_POISON = "list_poison"
    LIST_TOOLS = "list_tools"
    SHOW_FLEET = "show_fleet"
    SHOW_DIFF = "show_diff"
    SHOW_POISON = "show_poison"
    SHOW_STYLE = "show_style"

    STORE_BUNDLE = "store_bundle"

    REGISTER_IMAGE = "register_image"
    UNREGISTER_IMAGE = "unregister_image"
    REQUEST_BUILD = "request_build"
    CANCEL_BUILD = "cancel_build"
    INCLUDE_VERSION = "include_version"
    WITHDRAW_APPROVAL = "withdraw_approval"
    OFFER_PARENT = "offer_parent"
    REQUEUE_POISON = "requeue_poison"
    DISMISS_POISON = "dismiss_poison"
    ROTATE_SECRET = "rotate_secret"  # noqa: S105 - the name of a route
    DISABLE_RECEIVER = "disable_receiver"
    ENABLE_RECEIVER = "enable_receiver"
    REPLAY_RECEIVER = "replay_receiver"
    TEST_RECEIVER = "test_receiver"

    APPROVE_PARENT = "approve_parent"
    GRANT_WAIVER = "grant_waiver"
    WITHDRAW_WAIVER = "withdraw_waiver"
    ADD_FLEET_RECEIVER = "add_fleet_receiver"
    REMOVE_FLEET_RECEIVER = "remove_fleet_receiver"
    PUT_PLATFORM = "put_platform"
    PLAN_PLATFORM = "plan_platform"
    PROMOTE_TRIAL = "promote_trial"
    END_TRIAL = "end_trial"
    SUBMIT_TOOL = "submit_tool"
    REMOVE_TOOL = "remove_tool"
    PUT_POLICY = "put_policy"
    ACCEPT_RELEASE = "accept_release"
    ACCEPT_GALLERIES = "accept_galleries"
    HAND_OVER_NAME = "hand_over_name"
    SHARE_BUNDLE = "share_bundle"
    RETRY = "retry"
    PAUSE_FACTORY = "pause_factory"
    RESUME_FACTORY = "resume_factory"
    REBUILD_STATE = "rebuild_state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may do one operation, by the kind of what it is about. `deed` completes "only SecOps may ...".

    `by_policy`: the row holds while the policy in force names nobody for it. Where it names callers, by object id or
    app role, these may and nobody else.
    """

    deed: str
    who: Mapping[SubjectKind, frozenset[CallerStanding]] = field(default_factory=dict)
    by_policy: bool = False

    def of(self, kind: SubjectKind) -> frozenset[CallerStanding]:
        """The standings that may do it; nobody where the operation is not about this kind."""
        return self.who.get(kind, frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the table."""

    operation: ApiOperation
    standing: CallerStanding
    kind: SubjectKind
    is_allowed: bool


def _factory(deed: str, who: frozenset[CallerStanding]) -> Rule:
    return Rule(deed=deed, who={SubjectKind.FACTORY: who})


def _of_image(deed: str, who: frozenset[CallerStanding]) -> Rule:
    return Rule(deed=deed, who={SubjectKind.BASE: who, SubjectKind.TEAM_IMAGE: who})


def _read_images(deed: str) -> Rule:
    return _of_image(deed, READERS)


def _change_image(deed: str) -> Rule:
    """Bases are SecOps' for every change; a team changes only its own images."""
    return Rule(deed=deed, who={SubjectKind.BASE: SECOPS, SubjectKind.TEAM_IMAGE: OWNERS})


def _change_with_image(deed: str) -> Rule:
    """The same for what belongs to an image, or else to SecOps."""
    return Rule(
        deed=deed, who={SubjectKind.BASE: SECOPS, SubjectKind.TEAM_IMAGE: OWNERS, SubjectKind.FACTORY: SECOPS}
    )


# A poisoned message may hold what only its team should see.
_SEES_POISON = {
    SubjectKind.BASE: OWNERS | {CallerStanding.READER},
    SubjectKind.TEAM_IMAGE: OWNERS | {CallerStanding.READER},
    SubjectKind.FACTORY: SECOPS | {CallerStanding.READER},
}
_O = ApiOperation
TABLE: Mapping[ApiOperation, Rule] = {
    _O.CHECK_HEALTH: _factory("see whether it works", EVERYBODY),
    _O.READ_OPENAPI: _factory("read the description of the API", EVERYBODY),
    _O.LIST_IMAGES: _factory("list images", READERS),
    _O.SHOW_IMAGE: _read_images("see the image"),
    _O.LIST_BUILDS: _read_images("list its builds"),
    _O.LIST_JOURNAL: _read_images("read its journal"),
    _O.SHOW_BUILD: _read_images("see its builds"),
    _O.SHOW_LINEAGE: _factory("see the lineage", READERS),
    _O.LIST_EVIDENCE: _read_images("list its evidence"),
    _O.READ_EVIDENCE: _read_images("read its evidence"),
    _O.READ_SBOM: _read_images("read its SBOM"),
    _O.COMPARE_VERSIONS: _read_images("compare its versions"),
    _O.SHOW_PROVENANCE: _read_images("read its provenance"),
    _O.LIST_KEYS: _factory("read the public keys", READERS),
    _O.SHOW_RETENTION: _read_images("see its retention"),
    _O.LIST_RETENTION: _factory("see the retention of all images", READERS),
    _O.LIST_VERSIONS: _read_images("list its versions"),
    _O.LIST_NAMES: _factory("list reserved names", READERS),
    _O.SHOW_GALLERIES: _factory("see which galleries differ", READERS),
    _O.SHOW_POLICY: _factory("read the policy", READERS),
    _O.LIST_POLICY_VERSIONS: _factory("list versions of the policy", READERS),
    _O.SHOW_POLICY_VERSION: _factory("read a version of the policy", READERS),
    _O.LIST_APPROVALS: _factory("list approvals of parents", READERS),
    _O.LIST_BASES: _factory("list what a team may build on", READERS),
    _O.LIST_WAIVERS: _factory("list waivers", READERS),
    _O.LIST_SOURCES: _factory("list the sources", READERS),
    _O.LIST_OUTAGES: _factory("list the outages", READERS),
    _O.SHOW_PAUSE: _factory("see whether the factory is paused", READERS),
    _O.SHOW_PLATFORM: _factory("see the platform steps", READERS),
    _O.LIST_UNREADABLE: _factory("list rows that cannot be read", READERS),
    _O.LIST_RECEIVERS: _factory("list receivers", READERS),
    _O.GET_RECEIVER: Rule(deed="see the receiver", who=dict.fromkeys(SubjectKind, READERS)),
    _O.LIST_POISON: Rule(deed="see the poisoned message", who=_SEES_POISON),
    _O.LIST_TOOLS: _factory("list the files of tools", READERS),
    _O.SHOW_FLEET: _factory("see the fleet", READERS),
    _O.SHOW_DIFF: _read_images("compare its versions"),
    _O.SHOW_POISON: Rule(deed="see the poisoned message", who=_SEES_POISON),
    _O.SHOW_STYLE: _factory("see the pages", READERS),
    _O.STORE_BUNDLE: _factory("upload bundles", TEAMS),
    _O.REGISTER_IMAGE: _change_image("register or change it"),
    _O.UNREGISTER_IMAGE: _change_image("unregister it"),
    _O.REQUEST_BUILD: _change_image("rebuild it"),
    _O.CANCEL_BUILD: _change_image("cancel its builds"),
    _O.INCLUDE_VERSION: _change_image("include a version of it"),
    _O.WITHDRAW_APPROVAL: _change_image("withdraw it from a team that builds on it"),
    # What its owner withholds, SecOps cannot offer in the owner's place. Nobody but SecOps withholds a base.
    _O.OFFER_PARENT: Rule(deed="offer it to a team again", who={SubjectKind.TEAM_IMAGE: OWNER_ALONE}),
    _O.REQUEUE_POISON: _change_with_image("send this poisoned message again"),
    _O.DISMISS_POISON: _change_with_image("dismiss this poisoned message"),
    _O.ROTATE_SECRET: _change_with_image("make its signing secret"),
    _O.DISABLE_RECEIVER: _change_with_image("switch it off"),
    _O.ENABLE_RECEIVER: _change_with_image("switch it on"),
    _O.REPLAY_RECEIVER: _change_with_image("replay it"),
    _O.TEST_RECEIVER: _change_with_image("send it a trial"),
    _O.APPROVE_PARENT: _of_image("approve a team to build on it", SECOPS),
    _O.GRANT_WAIVER: replace(_of_image("grant it a waiver", SECOPS), by_policy=True),
    _O.WITHDRAW_WAIVER: replace(_of_image("withdraw its waiver", SECOPS), by_policy=True),
    _O.ADD_FLEET_RECEIVER: _factory("add receivers for the whole fleet", SECOPS),
    _O.REMOVE_FLEET_RECEIVER: _factory("remove receivers for the whole fleet", SECOPS),
    _O.PUT_PLATFORM: _factory("change the platform steps", SECOPS),
    _O.PLAN_PLATFORM: _factory("plan a change of the platform steps", SECOPS),
    _O.PROMOTE_TRIAL: _factory("put a trial of platform steps in force", SECOPS),
    _O.END_TRIAL: _factory("end a trial of platform steps", SECOPS),
    _O.SUBMIT_TOOL: _factory("bring files of tools", SECOPS),
    _O.REMOVE_TOOL: _factory("remove files of tools", SECOPS),
    _O.PUT_POLICY: _factory("change the policy", SECOPS),
    _O.ACCEPT_RELEASE: _factory("accept an older release of a source", SECOPS),
    _O.ACCEPT_GALLERIES: _factory("accept what the galleries show", SECOPS),
    _O.HAND_OVER_NAME: _factory("hand over names of deleted images", SECOPS),
    _O.SHARE_BUNDLE: _factory("share bundles", SECOPS),
    _O.RETRY: _factory("retry what an outage has stopped", SECOPS),
    _O.PAUSE_FACTORY: _factory("pause the factory", SECOPS),
    _O.RESUME_FACTORY: _factory("resume the factory", SECOPS),
    _O.REBUILD_STATE: _factory("recover state", SECOPS),
}


def cells() -> Iterator[Cell]:
    """Every cell, allowed and denied. Where nobody owns a thing, no caller is its owner."""
    for operation, rule in TABLE.items():
        for kind, allowed in rule.who.items():
            for standing in CallerStanding:
                if kind is SubjectKind.FACTORY and standing is CallerStanding.OWNER:
                    continue
                yield Cell(operation=operation, standing=standing, kind=kind, is_allowed=standing in allowed)
