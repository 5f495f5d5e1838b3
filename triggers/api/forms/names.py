"""The forms of all names in requests, each by the type of the domain that the code reads it with."""

import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from pydantic import WithJsonSchema

from pipeline_core.domain.cursors import RULE, CursorForm
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import BuildId, Digest, ImageName, TeamName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.domain.sources import SourceKey
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.services.recovery import recover
from pipeline_core.services.views.evidence import Place
from triggers.api.forms.form import NameForm, in_path, in_query


def _checked(
    pattern: re.Pattern[str], kind: str, rule: str, *, or_empty: bool = False
) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text) and (text or not or_empty):
            raise InvalidValue(kind, text, rule)
        return text

    return parse


def _cursor(form: CursorForm) -> NameForm[str]:
    return NameForm(parse=form.checked, pattern=form.pattern, words=_PAGE, or_empty=True)


_PAGE = "`next` of the page before as it is; empty: the first page"
_POISON = CursorForm.POISON.pattern
_KEY = re.compile("[!-~]{1,128}")

IMAGE = NameForm(parse=ImageName, pattern=ImageName.pattern, words="The image's name")
TEAM = NameForm(parse=TeamName, pattern=TeamName.pattern, words="The team's name")
DIGEST = NameForm(parse=Digest, pattern=Digest.pattern, words="The SHA-256 of a packed folder")
FILE = NameForm(parse=Digest, pattern=Digest.pattern, words="The SHA-256 of a tool's file")
BUILD = NameForm(parse=BuildId, pattern=BuildId.pattern, words="The build's id")
VERSION = NameForm(parse=GalleryVersion.parse, pattern=GalleryVersion.pattern, words="A version of the image")
RELEASE = NameForm(
    parse=MarketplaceVersion.parse, pattern=MarketplaceVersion.pattern, words="A release of the source"
)
ATTEMPT = NameForm(parse=Place.parse, pattern=Place.pattern, words="A stage and the number of its attempt")
RECEIVER = NameForm(parse=ReceiverId, pattern=ReceiverId.pattern, words="The receiver, as the list names it")
SOURCE = NameForm(
    parse=SourceKey, pattern=SourceKey.pattern, words="`publisher:offer:sku:location`, without case"
)
POISON = NameForm(
    parse=_checked(_POISON, "a key of a record", "a key that `imagefactory poison list` prints"),
    pattern=_POISON,
    words="The record's key",
)
KEY = NameForm(
    parse=_checked(_KEY, "a key of a request", "1 to 128 visible ASCII characters"),
    pattern=_KEY,
    words="The same key of the same caller is the same request",
)
RECOVERY = NameForm(
    parse=_checked(recover.CURSOR, "a cursor of the recovery", RULE, or_empty=True),
    pattern=recover.CURSOR,
    words=_PAGE,
    or_empty=True,
)
APPROVAL_CURSOR = _cursor(CursorForm.APPROVAL)
IMAGE_CURSOR = _cursor(CursorForm.IMAGE)
BUILD_CURSOR = _cursor(CursorForm.BUILD)
ENTRY_CURSOR = _cursor(CursorForm.ENTRY)
LINEAGE_CURSOR = _cursor(CursorForm.LINEAGE)
POISON_CURSOR = _cursor(CursorForm.POISON)
RECEIVER_CURSOR = _cursor(CursorForm.RECEIVER)
REVISION_CURSOR = _cursor(CursorForm.REVISION)
UNREADABLE_CURSOR = _cursor(CursorForm.UNREADABLE)

ImageInPath = Annotated[ImageName, Depends(in_path("name", IMAGE))]
TeamInPath = Annotated[TeamName, Depends(in_path("team", TEAM))]
TeamInQuery = Annotated[TeamName, Depends(in_query("team", TEAM))]
BuildInPath = Annotated[BuildId, Depends(in_path("identity", BUILD))]
VersionInPath = Annotated[GalleryVersion, Depends(in_path("version", VERSION))]
DigestInPath = Annotated[Digest, Depends(in_path("sha256", DIGEST))]
FileInPath = Annotated[Digest, Depends(in_path("sha256", FILE))]
AttemptInPath = Annotated[Place, Depends(in_path("attempt", ATTEMPT))]
FromInQuery = Annotated[GalleryVersion, Depends(in_query("from", VERSION))]
ToInQuery = Annotated[GalleryVersion, Depends(in_query("to", VERSION))]

# For fields of bodies and answers: the text, described by its form. The route reads it with the form.
ImageText = Annotated[str, WithJsonSchema(IMAGE.schema())]
TeamText = Annotated[str, WithJsonSchema(TEAM.schema())]
DigestText = Annotated[str, WithJsonSchema(DIGEST.schema())]
ReleaseText = Annotated[str, WithJsonSchema(RELEASE.schema())]
ImageCursorText = Annotated[str, WithJsonSchema(IMAGE_CURSOR.schema())]
RecoveryCursorText = Annotated[str, WithJsonSchema(RECOVERY.schema())]
