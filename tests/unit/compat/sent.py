"""Each message of today's format, as it is sent most often and with every field."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_core.domain.journal import entry_key
from pipeline_core.wire import messages
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW


def sent() -> Sequence[tuple[str, messages.Message]]:
    """Each message of each queue: as it is sent most often, and with every field."""
    common: Mapping[str, Any] = {
        "reason": "swept",
        "campaign": "release-9.10",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    build, image = str(make.build().id), str(BASE)
    event: Mapping[str, Any] = {"build": build, "stage": "verify", "attempt": 2}
    return (
        (messages.REBUILD_REQUESTS, messages.RebuildMessage(image=image)),
        (messages.REBUILD_REQUESTS, messages.RebuildMessage(image=image, **common)),
        (messages.DISPATCH_REQUESTS, messages.DispatchMessage()),
        (messages.DISPATCH_REQUESTS, messages.DispatchMessage(**common)),
        (messages.BUILD_STEPS, messages.StepMessage(build=build, seq=4)),
        (messages.BUILD_STEPS, messages.StepMessage(build=build, seq=4, once=True, tries=7, **common)),
        (messages.BUILD_EVENTS, messages.BuildEventMessage(kind="completed", **event)),
        (messages.BUILD_EVENTS, messages.BuildEventMessage(kind="restarted", **event, **common)),
        (messages.IMAGE_PUBLISHED, messages.PublishedMessage(image=image, version="9.20261121.3", **common)),
        (
            messages.NOTIFICATION_REQUESTS,
            messages.NotificationMessage(image=image, entry=entry_key(NOW, "0"), **common),
        ),
    )
