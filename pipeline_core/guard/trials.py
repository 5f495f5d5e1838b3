"""What keeps platform steps from being tried on named images, and a trial from being put in force."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

from pipeline_core.domain import platform_trials
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.platform_trials import CanaryState, PlatformTrial
from pipeline_core.domain.staleness import Platform
from pipeline_core.wire.problems import Problem

_NAMED = 10  # images that a refusal names


def beginning(
    in_force: Platform | None,
    bundle: Digest,
    tools: Set[str] | None,
    canaries: Collection[ImageName],
    fleet: Iterable[ImageHead],
) -> Iterator[Problem]:
    """What keeps a trial of this bundle on these images from beginning.

    `tools` are those of its catalog; None where that could not be read: nothing is said of tools then.
    """
    if in_force is None or in_force.digest == bundle:
        nothing = (
            "no platform steps are in force" if in_force is None else "these platform steps are in force"
        )
        yield Problem(
            path="canaries",
            message=f"has images, and there is nothing to try: {nothing}",
            remedy="register the platform steps without canaries",
        )
        return
    if len(canaries) > platform_trials.MOST_CANARIES:
        yield Problem(
            path="canaries",
            message=f"has {len(canaries)} images, and a trial has {platform_trials.MOST_CANARIES} at most",
            remedy="try the steps on fewer images",
        )
    heads = {head.name: head for head in fleet}
    for name in canaries:
        if name not in heads:
            yield Problem(
                path="canaries",
                message=f"has {name}, which is not registered",
                remedy="name images that `imagefactory list` prints",
            )
        elif tools is not None and (absent := sorted(set(heads[name].registration.catalog) - tools)):
            yield Problem(
                path="catalog.entries",
                message=f"has no {', '.join(map(repr, absent))}, which the canary {name} names",
                remedy="keep the tool for the trial, or try another image",
            )
    left = platform_trials.without_name(
        canaries, {name: head.registration.parent for name, head in heads.items()}
    )
    if left:
        yield Problem(
            path="canaries",
            message=f"has images that others are built from, and not these: {some(left)}",
            remedy="name them too, or try an image that no other is built from: an image that is not in the trial is"
            " never built on steps that are on trial",
        )
    if in_force.trial is not None:
        yield from without_tool(in_force, set(in_force.trial.images) - set(canaries), heads.values())


def not_tried(states: Mapping[ImageName, CanaryState]) -> Iterator[Problem]:
    """What keeps a trial from being put in force: canaries that have not shown yet how the steps do."""
    left = [name for name, state in states.items() if state.is_awaited]
    if left:
        yield Problem(
            path="untried",
            message=f"is false, and these canaries have no version with the steps on trial: {some(left)}",
            remedy="wait for their builds (`imagefactory platform show`), or promote with `untried` (the option"
            " `--untried`)",
        )


def without_tool(
    in_force: Platform, leaving: Collection[ImageName], fleet: Iterable[ImageHead]
) -> Iterator[Problem]:
    """What keeps these canaries from going back: tools that they name and that only the trial's catalog has.

    A tool that SecOps took out of the catalog in force while images named it keeps nothing: they decided then that no
    change reaches these images, and each says so.
    """
    tools = in_force.catalog.keys() | in_force.dropped.keys()
    for head in fleet:
        absent = sorted(set(head.registration.catalog) - tools) if head.name in leaving else []
        if absent:
            yield Problem(
                path="canaries",
                message=f"has {head.name}, which names {', '.join(map(repr, absent))}: only the catalog on trial has"
                " this, and without it the image would keep its version with the steps on trial",
                remedy="register the image without the tool, or put the tool in force",
            )


def newer_in_force(in_force: Platform, trial: PlatformTrial) -> Iterator[Problem]:
    """What keeps a trial from being put in force: steps that it was not prepared from, such as a repair."""
    if trial.over == in_force.digest or trial.digest == in_force.digest:
        return
    known = "it is not known over which steps" if trial.over is None else f"the trial began over {trial.over}"
    yield Problem(
        path="over_newer",
        message=f"is false, and the platform steps in force are {in_force.digest}; {known}: the promotion would take"
        " back what they changed",
        remedy="put the change into the steps on trial and register them with canaries again; or promote with"
        " `over_newer` (the option `--over-newer`) where they have it already",
    )


def some(images: Sequence[ImageName]) -> str:
    """The names of the first images, and how many more there are."""
    more = f" and {len(images) - _NAMED} more" if len(images) > _NAMED else ""
    return f"{', '.join(map(str, images[:_NAMED]))}{more}"
