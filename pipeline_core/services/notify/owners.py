"""Whose a receiver is: SecOps', a base's or a team's. It decides nothing: `access` decides who may change it."""

from collections.abc import Sequence

from pipeline_core.domain.access import Subject
from pipeline_core.domain.access_table import SubjectKind
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.services.effects.documents import Documents
from pipeline_core.state.stores import Records


def receivers_of(definition: ImageDefinition) -> Sequence[ReceiverId]:
    """The receivers that a definition names."""
    return [ReceiverId.of(hook.url, definition.team) for hook in definition.notify]


def subject_of(receiver: ReceiverId, records: Records, documents: Documents) -> Subject:
    """The receiver as the table of rights sees it: one that a base of its team names belongs to the base.

    Costs a query for each source, and a read for each base.
    """
    team = receiver.team
    if team is None:
        return Subject(kind=SubjectKind.FACTORY, name=str(receiver))
    is_of_base = any(
        _may_name(base, receiver, records, documents)
        for followed in records.sources.list()
        for base in records.index.roots(followed.value.source)
    )
    return Subject(
        kind=SubjectKind.BASE if is_of_base else SubjectKind.TEAM_IMAGE, name=str(receiver), team=team
    )


def _may_name(base: ImageName, receiver: ReceiverId, records: Records, documents: Documents) -> bool:
    """True also where nobody can say it, because a row or a document cannot be read."""
    try:
        head = records.images.find_head(base)
        if head is None or head.value.registration.team != receiver.team:
            return False
        return receiver in receivers_of(documents.definition(head.value.registration.definition))
    except PermanentError:
        return True
