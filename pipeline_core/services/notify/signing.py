"""Sign deliveries by the secrets of a receiver. A value is in memory and in the vault, and nowhere else."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from pipeline_core.domain import feeds
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.feeds import Feed
from pipeline_core.ports import Secrets

_KEPT = 512  # values held in memory


class Signing:
    """Reads values by version. A version never changes, so memory may keep it."""

    def __init__(self, secrets: Secrets, *, allows_unsigned: bool) -> None:
        self._secrets = secrets
        self._allows_unsigned = allows_unsigned
        self._values: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = Lock()

    @property
    def sends_unsigned(self) -> bool:
        """True where a receiver without a secret gets unsigned deliveries, by the setting."""
        return self._allows_unsigned

    def secrets_of(self, feed: Feed, now: datetime) -> Sequence[str]:
        """The values that sign now, the newest first. Raises NotFound where there is none and one is demanded.

        A former secret that is gone from the vault is left out: the newest signs alone.
        """
        newest, *former = feeds.signing(feed, now) or ("",)
        if not newest:
            if self._allows_unsigned:
                return ()
            raise NotFound(f"it has no signing secret: run `imagefactory notify secret rotate {feed.id}`")
        values = [self._value(feed, newest)]
        for version in former:
            try:
                values.append(self._value(feed, version))
            except NotFound:
                continue
        return values

    def _value(self, feed: Feed, version: str) -> str:
        key = (feed.id.secret_name, version)
        with self._lock:
            if key in self._values:
                return self._values[key]
        try:
            value = self._secrets.get(*key).value
        except NotFound as error:
            text = f"its signing secret is gone from the vault: run `imagefactory notify secret rotate {feed.id}`"
            raise NotFound(text) from error
        with self._lock:
            self._values[key] = value
            while len(self._values) > _KEPT:
                self._values.popitem(last=False)
        return value
