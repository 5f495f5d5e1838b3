"""A small function app for the host's tests. Each run writes a line into the file that SAMPLE_RECORD names."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import azure.functions as func
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

_lock = threading.Lock()
api = FastAPI()
app = func.AsgiFunctionApp(api, http_auth_level=func.AuthLevel.ANONYMOUS, function_name="http_api")
blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the Functions SDK leaves it untyped


def _record(function: str, **facts: Any) -> None:
    with _lock, Path(os.environ["SAMPLE_RECORD"]).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"function": function, "at": time.time(), **facts}) + "\n")


@api.api_route("/api/echo/{rest:path}", methods=["GET", "PUT", "DELETE"])
async def echo(rest: str, request: Request) -> dict[str, Any]:
    body = await request.body()
    return {
        "method": request.method,
        "rest": rest,
        "query": dict(request.query_params),
        "length": len(body),
        "authorization": request.headers.get("authorization"),
        "invocation_id": request.scope["azure_functions.invocation_id"],
        "traceparent": request.scope["azure_functions.trace_context"].trace_parent,
    }


@api.get("/api/cookies")
async def cookies() -> PlainTextResponse:
    response = PlainTextResponse("two", status_code=201, headers={"Location": "/there"})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@api.get("/api/broken")
async def broken() -> None:
    raise RuntimeError("on purpose")


@blueprint.route("guarded/{number:int}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def guarded(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"number {req.route_params['number']}")


@blueprint.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage, context: func.Context) -> None:
    order = json.loads(message.get_body())
    facts = {"id": order.get("id"), "count": message.dequeue_count, "size": len(message.get_body())}
    _record("work", step="begin", invocation_id=context.invocation_id, **facts)
    time.sleep(order.get("seconds", 0))
    if order.get("fail"):
        raise ValueError("told to fail")
    _record("work", step="end", **facts)


@blueprint.queue_trigger(
    arg_name="message", queue_name="%WORK_QUEUE%-poison", connection="AzureWebJobsStorage"
)
def buried(message: func.QueueMessage) -> None:
    _record("buried", text=message.get_body().decode("utf-8"))


@blueprint.timer_trigger(arg_name="timer", schedule="%TICK%", use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    _record("tick", step="begin", past_due=timer.past_due)
    time.sleep(float(os.environ.get("TICK_SECONDS", "0")))
    _record("tick", step="end", past_due=timer.past_due)


@blueprint.event_grid_trigger(arg_name="event")
async def seen(event: func.EventGridEvent) -> None:
    if event.subject == "fail":
        raise ValueError("told to fail")
    _record("seen", id=event.id, subject=event.subject, type=event.event_type, data=event.get_json())


app.register_functions(blueprint)
