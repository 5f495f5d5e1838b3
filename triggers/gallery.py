"""The function for Azure's own events about gallery versions: a second signal beside the factory's messages.

An event that cannot be read goes to the service as it is, and the service reports it. An error is raised, and Event
Grid delivers the event again, for a day.
"""

import azure.functions as func

from triggers import delivery
from triggers.provider import Provider


def blueprint(factory: Provider) -> func.Blueprint:
    """The Event Grid function."""
    gallery = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    @gallery.event_grid_trigger(arg_name="event")
    def observe_gallery_event(event: func.EventGridEvent) -> None:
        """Look at the image whose version was written or deleted."""
        content = event.get_json()
        fields = content if isinstance(content, dict) else {}
        resource = str(fields.get("resourceUri") or event.subject)
        operation = str(fields.get("operationName") or event.event_type)
        delivery.run(
            factory,
            "gallery-event-failed",
            lambda services: services.gallery_events.observe(resource, operation),
        )

    return gallery
