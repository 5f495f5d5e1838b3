"""Is a build still wanted? Asked while it is pending and before its version enters `latest`. Pure.

A build is wanted while the plan of this moment asks for its input, or for a newer one of the same wish. A build that
a newer change has overtaken is let in: it is fresher than what is there. A build whose change was taken back is not,
nor is one from a parent version that its parent has fallen from. A build that waits begins for what it brings itself: a
security change that is not in it opens no window for it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain import plan
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.plan import DoNothing, RestReason
from pipeline_core.domain.snapshot import Snapshot
from pipeline_core.domain.sources import OriginVersion, ParentReference, ParentVersion, SourceVersion
from pipeline_core.domain.staleness import Unknown, World, desired_inputs, known_inputs


@unique
class Wish(Enum):
    """What the plan of this moment says about the input of a build."""

    ASKED = "asked"  # it asks for this very input
    OVERTAKEN = "overtaken"  # it asks for a newer one: this one is fresher than what is there
    HELD_BACK = "held-back"  # it asks for a newer one, and a rule holds back what this one brings by itself
    UNKNOWN = "unknown"  # the desired inputs are not known now; nothing known takes it back or holds it back
    WITHDRAWN = "withdrawn"  # it asks for nothing of this build any more

    @property
    def is_wanted(self) -> bool:
        """True where the build goes on, and its version may enter `latest`."""
        return self is not Wish.WITHDRAWN and self is not Wish.HELD_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`why` is one sentence for a person: what the build lacks, or which rule now holds it back."""

    wish: Wish
    why: str = ""


_RULES = {
    RestReason.SUSPENDED: "its definition is suspended (spec.rebuild.suspend)",
    RestReason.NOT_WANTED: "its definition no longer rebuilds on this change (spec.rebuild.on)",
    RestReason.OUTSIDE_WINDOW: "its rebuild window has closed",
    RestReason.RELEASE_WITHDRAWN: "its step to an older release waits for SecOps",
}


def judge(snapshot: Snapshot, build: Build, now: datetime) -> Answer:
    """The answer for the image of the snapshot. An image that is not registered wants nothing."""
    head = snapshot.world.heads.get(build.image)
    if head is None:
        return _withdrawn(f"{build.image} is not registered")
    desired = desired_inputs(head, snapshot.world)
    lost = _lost_parent(head, build.inputs.origin, snapshot.world)
    if lost:
        return _withdrawn(lost)
    moved_back = _moved_back(head, build.inputs.origin)
    if moved_back:
        return _withdrawn(moved_back)
    believed = known_inputs(head, build.inputs, snapshot.world) if isinstance(desired, Unknown) else desired
    taken_back = _taken_back(head, build.inputs, believed) or _given_up(
        head, build.inputs, believed, snapshot
    )
    if taken_back:
        return _withdrawn(taken_back)
    rule = plan.find_rule_against(snapshot, build.image, believed, now)
    # A window says when a build begins. A build that has begun may end outside it.
    if rule is not None and (rule.why is not RestReason.OUTSIDE_WINDOW or build.phase is Phase.PENDING):
        return _withdrawn(_RULES[rule.why])
    if isinstance(desired, BuildInputs) and fingerprint(desired) == build.fingerprint:
        return Answer(wish=Wish.ASKED)
    # One that has begun goes on: the newer build brings its change too, so that no rule keeps the change away.
    part = _rule_against_part(snapshot, build, believed, now) if build.phase is Phase.PENDING else None
    if part is not None:
        return Answer(wish=Wish.HELD_BACK, why=_RULES[part.why])
    if isinstance(desired, Unknown):
        return Answer(wish=Wish.UNKNOWN, why=desired.missing)
    return Answer(wish=Wish.OVERTAKEN)


def _rule_against_part(
    snapshot: Snapshot, build: Build, believed: BuildInputs, now: datetime
) -> DoNothing | None:
    # A person who asked for a newer build asked for the image: rules do not hold back what waits for it already.
    inputs = replace(build.inputs, token=believed.token)
    return plan.find_rule_against_part(snapshot, build.image, inputs, build.lane, now)


def _withdrawn(why: str) -> Answer:
    return Answer(wish=Wish.WITHDRAWN, why=why)


def _taken_back(head: ImageHead, built: BuildInputs, desired: BuildInputs) -> str:
    """What the build has that was taken back since; empty where nothing was."""
    current = None if head.current is None else head.current.inputs
    if _is_older(desired.origin, built.origin):
        return f"{built.origin} was taken back: the image is built from {desired.origin}"
    if current is None:
        return ""
    return _without(name for name, now, then, new in _parts(current, built, desired) if now == new != then)


def _given_up(head: ImageHead, built: BuildInputs, desired: BuildInputs, snapshot: Snapshot) -> str:
    """Whether a first version would have steps whose trial has ended; empty where not.

    Nothing says what such an image had before, so the trial says it.
    """
    platform = snapshot.world.platform
    if head.current is not None or platform is None or built.platform == desired.platform:
        return ""
    is_ended = any(built.platform == each.digest and head.name in each.images for each in platform.ended)
    return "the trial of its platform steps has ended" if is_ended else ""


def _lost_parent(head: ImageHead, built: OriginVersion, world: World) -> str:
    """Why the parent's version is not used any more, by the parent's own head; empty where nothing says so.

    The build was planned when that version was current. So where nothing is current now, or an older version is, the
    parent has fallen from it: that is known, although the desired inputs may not be.
    """
    if not isinstance(built, ParentVersion) or built.image != head.registration.parent:
        return ""
    parent = world.heads.get(built.image)
    if parent is None:
        return ""
    if parent.current is None:
        return f"{built} is no longer current, and no other version of {built.image} is"
    if parent.current.version < built.version:
        used = ParentVersion(image=built.image, version=parent.current.version)
        return f"{built} was taken back: the image is built from {used}"
    is_out = parent.current.version != built.version and built.version in parent.taken_out
    return f"{built} was taken out of latest" if is_out else ""


def _moved_back(head: ImageHead, built: OriginVersion) -> str:
    """Where the image was moved to, if it is moved back; empty otherwise.

    A move is a change of the parent, or of a root's source. Its own head says where it is registered, whatever is known
    of a version there: a newer version of the former parent does not make the move wanted.
    """
    if head.current is None:
        return ""
    before, moved, now = _place(head.current.inputs.origin), _place(built), _registered_place(head)
    return f"its move to {moved} was taken back" if before == now != moved else ""


def _place(origin: OriginVersion) -> str:
    return str(origin.image) if isinstance(origin, ParentVersion) else origin.source.key


def _registered_place(head: ImageHead) -> str:
    origin = head.registration.origin
    return str(origin.image) if isinstance(origin, ParentReference) else origin.key


def _without(names: Iterable[str]) -> str:
    gone = ", ".join(names)
    return f"its change of {gone} was taken back" if gone else ""


def _parts(
    current: BuildInputs, built: BuildInputs, desired: BuildInputs
) -> Iterator[tuple[str, object, object, object]]:
    """Each part of the inputs: its name, and its value in the current version, in the build, and as desired."""
    yield "the origin", current.origin, built.origin, desired.origin
    yield "the definition", current.recipe, built.recipe, desired.recipe
    yield "the bundle", current.bundle, built.bundle, desired.bundle
    yield "the platform steps", current.platform, built.platform, desired.platform
    yield "the catalog", current.catalog, built.catalog, desired.catalog
    if current.catalog != desired.catalog:  # one tool may be taken back while another one changes
        now, then, new = ({tool[0]: tool for tool in each.catalog} for each in (current, built, desired))
        for tool in sorted({*now, *then, *new}):
            yield f"the tool {tool}", now.get(tool), then.get(tool), new.get(tool)


def _is_older(one: OriginVersion, other: OriginVersion) -> bool:
    """True where `one` is an older release of the same source."""
    if not isinstance(one, SourceVersion) or not isinstance(other, SourceVersion):
        return False
    return one.source.key == other.source.key and one.version < other.version
