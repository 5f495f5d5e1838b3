"""A bundle that nobody uses, what is done with it, and the rounds that remove it, for tests."""

from collections.abc import Callable
from datetime import timedelta

from pipeline_core.domain.names import Digest, ImageName, TeamName
from pipeline_core.state.bundles import BundleStore
from simulation import fleet
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import scenes

ONE = {"rhel9-base": None}
APP = ImageName("app")
AGES = timedelta(days=41)
DAY = timedelta(days=1)
LONE, CONTENT = fleet.bundle("nobody uses it")


def upload(made: SimulatedWorld) -> bool:
    return made.factory.registrar.store_bundle(LONE, CONTENT, UPLOADER)


def share(made: SimulatedWorld) -> object:
    return made.factory.bundles.share(LONE, TeamName("guests"), ADMIN, "they build the same")


def register(made: SimulatedWorld, name: str = "app") -> object:
    """Register an image with the bundle, without an upload."""
    return made.factory.registrar.register(
        ImageName(name), fleet.document(name, "rhel9-base"), LONE, ADMIN, expected=None, create_only=True
    )


def remove(made: SimulatedWorld) -> int:
    return made.factory.bundle_retention.remove()


def rounds(made: SimulatedWorld, days: int) -> int:
    """Each day's round, for so many days; how many bundles went."""
    removed = 0
    for _ in range(days):
        made.ports.clock.advance(DAY)
        removed += remove(made)
    return removed


def has(made: SimulatedWorld, digest: Digest = LONE) -> bool:
    return made.ports.blobs.find_facts("bundles", f"{digest}.tar.gz") is not None


def record(made: SimulatedWorld, digest: Digest = LONE) -> object:
    return BundleStore(made.ports.tables).find(digest)


def unused() -> SimulatedWorld:
    """A current image, and a bundle that nobody has used for 41 days."""
    made = scenes.settled(ONE)
    upload(made)
    made.ports.clock.advance(AGES)
    return made


def demand_whole(made: SimulatedWorld) -> None:
    """Every registered image has its bundle, and a record that is not doomed allows it."""
    for head in scenes.index(made).heads():
        assert has(made, head.registration.bundle), head.name


class Noting:
    """A port that says the name of each method before it is called."""

    def __init__(self, inner: object, note: Callable[[str], None]) -> None:
        self._inner, self._note = inner, note

    def __getattr__(self, name: str) -> object:
        bound = getattr(self._inner, name)

        def call(*given: object, **named: object) -> object:
            self._note(name)
            return bound(*given, **named)

        return call
