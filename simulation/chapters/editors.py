"""Two editors at one moment: trees are moved while others register, move and delete around them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pipeline_core.domain.errors import FactoryError, TransientError
from pipeline_core.domain.lineage import faults_of
from pipeline_core.domain.names import ImageName
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.lineage import LineageStore
from simulation.chapters.chapter import Chapter, Happening
from simulation.faults import Killed


class Editors(Chapter):
    """The second editor acts, whole, in the middle of the first one's registration. Who is refused gives up."""

    name: ClassVar[str] = "editors"
    needs_sweep: ClassVar[bool] = True  # a move whose process died is completed by the sweep alone

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._second: tuple[str, str] | None = (
            None  # the image and the parent of the editor who waits for a turn
        )
        self._until = 0  # writes of the first editor before that

    def happenings(self) -> Sequence[Happening]:
        """Swaps, and moves of whole trees."""
        return ((2, self._swap), (1, self._move_tree))

    def _swap(self) -> None:
        """Two siblings: one editor puts the first below the second, another the second below the first."""
        inner = sorted(name for name, parent in self.story.parents.items() if parent is not None)
        if len(inner) < 2:
            return
        first, second = self.chance.sample(inner, 2)
        self._until, self._second = self.chance.randrange(6), (second, first)
        self._try(first, second)
        self._second = None
        self._settle_parents(first, second)

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """After so many writes of the first editor, the second one acts."""
        if name != "tables.write" or self._second is None:
            return
        if self._until:
            self._until -= 1
            return
        (image, parent), self._second = self._second, None
        self._try(image, parent)

    def _move_tree(self) -> None:
        inner = sorted(name for name, parent in self.story.parents.items() if parent is not None)
        if not inner:
            return
        name, parent = self.chance.choice(inner), self.chance.choice(sorted(self.story.parents))
        self._try(name, parent)
        self._settle_parents(name)

    def _try(self, name: str, parent: str) -> None:
        """One try of a person. A refusal is an answer; an error that passes is met by the sweep, if at all."""
        text = self.story.texts.get(name, "content")
        changes: dict[str, Any] = {}
        for chapter in self.story.chapters:
            changes |= chapter.document(name)
        try:
            self.world.register(name, parent, text=text, **changes)
        except (FactoryError, TransientError, Killed):
            return

    def _settle_parents(self, *names: str) -> None:
        """The story follows what is stored."""
        for name in names:
            head = ImageStore(self.world.ports.tables).find_head(ImageName(name))
            parent = None if head is None else head.value.registration.parent
            if parent is not None:
                self.story.parents[name] = str(parent)

    def violations(self) -> Sequence[str]:
        """(16) The stored forest has a place for each image, no move is left, and the index says what is stored."""
        images, index = ImageStore(self.world.ports.tables), Index(self.world.ports.tables)
        heads = [images.find_head(head.name) for head in index.heads()]
        parents = {each.value.name: each.value.registration.parent for each in heads if each is not None}
        found = [f"(16) {name} {problem.message}" for name, problem in faults_of(parents).items()]
        ledger, faults = LineageStore(self.world.ports.tables).read()
        found += [f"(16) the move of {move.image} is left" for move in ledger.moves]
        found += [f"(16) a fault of {name} is left" for name in faults]
        if ledger.count is not None and ledger.count != len(parents):
            found.append(f"(16) {ledger.count} images are counted, there are {len(parents)}")
        return found
