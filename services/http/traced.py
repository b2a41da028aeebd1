"""A span for each request: its method, the pattern of its address and its status, never what the caller put in."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.tracing import Tracing
from services.http.wire import route_of


class Traced:
    """An ASGI application around another one. What is called finds its trace where callers send theirs."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracing.request(scope["method"], headers) as span:

            async def seen(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            place = span.get_span_context()
            parent = f"00-{place.trace_id:032x}-{place.span_id:016x}-{place.trace_flags & 1:02x}"
            others = [(name, value) for name, value in scope["headers"] if name != b"traceparent"]
            scope["headers"] = [*others, (b"traceparent", parent.encode())]
            try:
                await self._app(scope, receive, seen)
            finally:
                if "path_params" in scope:  # some route of ours took it
                    route = route_of(scope)
                    span.set_attribute("http.route", route)
                    span.update_name(f"{scope['method']} {route}")
