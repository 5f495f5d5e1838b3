"""One implementation of each port, as a set: what the services are wired to."""

from typing import Protocol

from pipeline_core.ports import (
    Blobs,
    Chance,
    Clock,
    Containers,
    Galleries,
    Logs,
    Marketplace,
    Queues,
    Resources,
    Secrets,
    Signer,
    Tables,
    Tokens,
    Web,
)


class Ports(Protocol):
    """One implementation of each port; Azure's and the memory twins both have this shape."""

    @property
    def tables(self) -> Tables: ...

    @property
    def queues(self) -> Queues: ...

    @property
    def blobs(self) -> Blobs: ...

    @property
    def marketplace(self) -> Marketplace: ...

    @property
    def galleries(self) -> Galleries: ...

    @property
    def containers(self) -> Containers: ...

    @property
    def resources(self) -> Resources: ...

    @property
    def secrets(self) -> Secrets: ...

    @property
    def signer(self) -> Signer: ...

    @property
    def web(self) -> Web: ...

    @property
    def tokens(self) -> Tokens: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def chance(self) -> Chance: ...

    @property
    def logs(self) -> Logs: ...
