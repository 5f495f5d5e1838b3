"""Put together the services of notifications: the way into the feeds, the delivery, and people's part."""

from dataclasses import dataclass

from pipeline_core.services.notify.delivery import Delivery
from pipeline_core.services.notify.fanout import Fanout
from pipeline_core.services.notify.notifier import Notifier
from pipeline_core.services.notify.receivers import Receivers
from pipeline_core.services.notify.signing import Signing
from pipeline_core.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyParts:
    """`receivers` also gives the views the conditions of an image's receivers."""

    notifier: Notifier
    receivers: Receivers


def notify_of(base: Foundation) -> NotifyParts:
    """All services of notifications, over one memory of secrets."""
    ports, records, effects = base.ports, base.records, base.effects
    signing = Signing(ports.secrets, allows_unsigned=base.deployment.allows_unsigned)
    fanout = Fanout(records=records, effects=effects, secrets=ports.secrets)
    delivery = Delivery(records=records, effects=effects, signing=signing, web=ports.web)
    return NotifyParts(
        notifier=Notifier(fanout=fanout, delivery=delivery),
        receivers=Receivers(
            records=records,
            effects=effects,
            fanout=fanout,
            signing=signing,
            secrets=ports.secrets,
            web=ports.web,
        ),
    )
