"""Names and identifiers as value types that validate on construction; no bare string crosses a layer."""

import re
from dataclasses import dataclass
from typing import ClassVar

from pipeline_core.domain.errors import InvalidValue

WORDS = "[a-z][a-z0-9]*(?:-[a-z0-9]+)*"  # the form of a name of an image or a team; its length is bounded beside it


@dataclass(frozen=True, slots=True, order=True)
class _Name:
    """A text that matches its type's pattern; `str()` gives the text back."""

    value: str
    kind: ClassVar[str]  # in words, for messages
    pattern: ClassVar[re.Pattern[str]]
    rule: ClassVar[str]

    def __post_init__(self) -> None:
        if not isinstance(self.value, str) or not self.pattern.fullmatch(self.value):
            raise InvalidValue(self.kind, str(self.value), self.rule)

    def __str__(self) -> str:
        return self.value


class ImageName(_Name):
    """Name of a registered image; also its image definition's name in every gallery."""

    __slots__ = ()
    kind = "a name of an image"
    pattern = re.compile(rf"{WORDS}(?<!.{{64}})", re.ASCII)
    rule = "lower-case letters, digits and single dashes, starting with a letter, at most 63 characters"


class TeamName(_Name):
    """Name of the team that owns an image; the app role `Team.NAME` names it."""

    __slots__ = ()
    kind = "a name of a team"
    pattern = re.compile(rf"{WORDS}(?<!.{{64}})", re.ASCII)
    rule = "lower-case letters, digits and single dashes, starting with a letter, at most 63 characters"


class ChannelName(_Name):
    """Name of a pointer at a published version; `live` is every image's default."""

    __slots__ = ()
    kind = "a name of a channel"
    pattern = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
    rule = "lower-case letters, digits and dashes, at most 32 characters"


class Region(_Name):
    """An Azure region in its short form, for example `westeurope`."""

    __slots__ = ()
    kind = "a region of Azure"
    pattern = re.compile(r"[a-z][a-z0-9]{2,40}", re.ASCII)
    rule = "an Azure region's short name: lower-case letters and digits, for example westeurope"


class GalleryName(_Name):
    """Name of an Azure Compute Gallery."""

    __slots__ = ()
    kind = "a name of a gallery"
    pattern = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,78}[A-Za-z0-9]", re.ASCII)
    rule = "2 to 80 letters, digits, dots and underscores, starting and ending with a letter or digit"


class Digest(_Name):
    """A SHA-256 in lower-case hexadecimal, 64 characters."""

    __slots__ = ()
    kind = "a digest"
    pattern = re.compile(r"[0-9a-f]{64}", re.ASCII)
    rule = "a SHA-256 as 64 lower-case hexadecimal characters"


class Fingerprint(_Name):
    """The SHA-256 of everything that decides a build's content."""

    __slots__ = ()
    kind = "a fingerprint"
    pattern = re.compile(r"[0-9a-f]{64}", re.ASCII)
    rule = "a SHA-256 as 64 lower-case hexadecimal characters"


class RebuildToken(_Name):
    """The id of the manual request or advisory that asked for a build of unchanged inputs."""

    __slots__ = ()
    kind = "an id of a request"
    pattern = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
    rule = "at most 128 letters, digits, dots, dashes, colons and underscores"


class CampaignId(_Name):
    """The id of one cascade, from the change at its root to its last leaf."""

    __slots__ = ()
    kind = "an id of a campaign"
    pattern = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}", re.ASCII)
    rule = "at most 128 lower-case letters, digits, dots and dashes"


class BuildId(_Name):
    """`IMAGE.FINGERPRINT12.GENERATION`: one build of one input; says its image without a look-up."""

    __slots__ = ()
    kind = "an id of a build"
    # Before its first dot is the name of an image, so at most 63 characters.
    pattern = re.compile(rf"(?![^.]{{64}}){WORDS}\.[0-9a-f]{{12}}\.[1-9][0-9]{{0,5}}", re.ASCII)
    rule = "image name, 12 characters of the fingerprint and the generation, joined by dots"

    @property
    def image(self) -> ImageName:
        """The image this build belongs to."""
        return ImageName(self.value.split(".", 1)[0])


def build_id(image: ImageName, fingerprint: Fingerprint, generation: int) -> BuildId:
    """The one id that the build of `fingerprint` in its `generation` (from 1) can have."""
    return BuildId(f"{image}.{fingerprint.value[:12]}.{generation}")


LIVE = ChannelName("live")
