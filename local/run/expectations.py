"""The conditions that must hold after a run, by its scenario, compared with the API and the gallery. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from local.run.scenarios import Scenario

View = Mapping[str, Any]


def broken(scenario: Scenario, first: Mapping[str, View], last: Mapping[str, View]) -> list[str]:
    """The broken conditions of the images: `first` after the first builds, `last` at the end, with builds and gates."""
    found: list[str] = []
    for name, view in last.items():
        if name == scenario.refused:
            found += _refused(scenario, view)
        elif name in scenario.held:
            found += _held(scenario, view)
        else:
            found += _published(view)
        old, new = first[name]["version"], view["version"]
        if name in scenario.stays and new != old:
            found.append(f"{name} is at {new}, although it had to stay at {old}")
        elif name not in scenario.stays and new == old:
            found.append(f"{name} stayed at {old}, although a new version was due")
    return found


def leaked(scenario: Scenario, first: Mapping[str, View], live: Sequence[tuple[str, str]]) -> list[str]:
    """The broken conditions of the live gallery: new versions (image, version) of images that must keep theirs."""
    return [
        f"{name}@{version} is in the live gallery, although no version of {name} was to be published"
        for name, version in live
        if name in scenario.stays and version != first[name]["version"]
    ]


def _published(view: View) -> Iterator[str]:
    """The image is current, every build succeeded, and a gate judged each build."""
    if view["state"] != "current":
        yield f"{view['name']} is {view['state']}: {view['detail']}"
    yield from _ended_well(view["builds"])


def _ended_well(builds: Iterable[View]) -> Iterator[str]:
    for build in builds:
        if build["result"] != "succeeded":
            yield f"{build['id']} ended {build['result']}: {build['failure']}"
        elif not build["gates"]:
            yield f"{build['id']} was published without a verdict of any gate"
        else:
            yield from (
                f"{build['id']} was published although {gate['gate']} refused it: {gate['evidence']}"
                for gate in build["gates"]
                if not gate["passed"]
            )


def _refused(scenario: Scenario, view: View) -> Iterator[str]:
    """The gate refused the newest build, and the build is not tried again. All earlier builds succeeded."""
    newest, *before = view["builds"]
    yield from _ended_well(before)
    refusing = [gate["gate"] for gate in newest["gates"] if not gate["passed"]]
    if newest["result"] != "failed" or scenario.gate not in refusing:
        gates = ", ".join(refusing) or "no gate"
        yield f"{newest['id']} ended {newest['result']}, refused by {gates}, and had to fail by {scenario.gate}"
    if view["state"] != "blocked" or scenario.gate not in view["detail"]:
        yield f"{view['name']} is {view['state']} ({view['detail']}), not blocked by {scenario.gate}"


def _held(scenario: Scenario, view: View) -> Iterator[str]:
    """The image was not built again, is current on its old base, and names the image that holds it back."""
    yield from _published(view)
    held = [each for each in view["conditions"] if each["type"] == "HeldBack"]
    if not held or scenario.refused not in held[0]["message"]:
        yield f"{view['name']} does not say that {scenario.refused} holds it back: {view['detail']!r}"
    if len(view["builds"]) != 1:
        yield f"{view['name']} was built {len(view['builds'])} times, although nothing had changed for it"
