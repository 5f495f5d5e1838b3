"""Who did something: an identity that is unique and stays, and beside it a name for people that may be anybody's.

Personal data: `docs/access.md` says what is kept of a person, where and for how long.
"""

from dataclasses import dataclass

from pipeline_core.domain import texts

NAME_LIMIT = 100  # characters of a name
_REPLACEMENT = "�"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, an application, or a part of the factory, which has no identity.

    `identity` is `user:OBJECT_ID@TENANT` or `application:APPLICATION_ID@TENANT`. Nothing is decided by `name`.
    """

    name: str
    identity: str | None = None


# A text is the name of a part of the factory.
ActorOrPart = Actor | str


def actor_of(by: ActorOrPart) -> Actor:
    """The actor; a part of the factory has its name alone."""
    return by if isinstance(by, Actor) else Actor(name=by)


def identified(kind: str, identity: str, tenant: str, name: str) -> Actor:
    """A caller whose token proves `identity`, which is a `user` or an `application` of the tenant."""
    where = f"@{clean(tenant)}" if tenant else ""
    shown = f"{kind}:{clean(identity)}{where}"
    return Actor(name=clean(name) or shown, identity=shown)


def clean(text: str) -> str:
    """At most NAME_LIMIT characters without what hides, moves or turns text."""
    shown = " ".join(texts.cleaned(text, instead=_REPLACEMENT)[: NAME_LIMIT + 1].split())
    return shown if len(shown) <= NAME_LIMIT else f"{shown[: NAME_LIMIT - 1]}…"
