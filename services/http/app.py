"""The HTTP application of one process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.contents import contents_of
from infra.kafka.wire import prefix_in
from infra.settings import Settings
from services import asyncapi
from services.composition import COMMANDS, QUESTIONS, topics
from services.http.command_routes import command_routes
from services.http.content_routes import content_routes
from services.http.development_issuer import DevelopmentIssuer
from services.http.difference_routes import difference_routes
from services.http.health import health_routes
from services.http.log_routes import log_routes
from services.http.openapi import document
from services.http.pages import api_page
from services.http.parked_routes import parked_routes
from services.http.problems import Problem
from services.http.question_routes import question_routes
from services.http.tokens import PublishedKeys, Tokens
from services.http.what_if_routes import what_if_routes
from services.http.wire import PROBLEM, Endpoint, Reply, Request
from services.keys import sealing
from services.language import preferred
from services.runtime import Runtime

if TYPE_CHECKING:
    from infra.tracing import Tracing


class App(FastAPI):
    """Commands are found by their address alone and need nothing of FastAPI's layers; everything else goes its way."""

    def __init__(self, commands: Iterable[Route], **options: Any) -> None:
        super().__init__(**options)
        self.commands: Mapping[str, ASGIApp] = {route.path: route.app for route in commands}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            match scope["path"].split("/"):
                case ["", path, thing, action]:
                    address, named = f"/{path}/{{id}}/{action}", {"id": thing}
                case _:
                    address, named = scope["path"], {}
            if (command := self.commands.get(address)) is not None:
                scope["path_params"] = named
                await command(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def create_app(
    conninfo: str, settings: Settings, runtime: Runtime | None = None, tracing: Tracing | None = None
) -> FastAPI:
    """The application around one log; its machinery starts and stops with it."""
    issuer = DevelopmentIssuer(settings.home, settings) if settings.development_issuer else None
    if issuer is None and settings.jwks_url is None:
        raise ValueError("Nobody could sign in: set YEWU_JWKS_URL to the address of your issuer's keys.")
    runtime = runtime or Runtime(
        conninfo, settings.zone, sealing(settings), tracing=tracing, contents=contents_of(settings)
    )
    keys = issuer.keys if issuer is not None else PublishedKeys(settings.jwks_url or "")
    tokens = Tokens(keys, settings.issuer, settings.audience)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with runtime.running():
            yield

    commands = list(command_routes(COMMANDS, runtime, tokens, settings))
    app = App(commands, title="Yewu", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes.extend(difference_routes(QUESTIONS, runtime, tokens, settings))
    app.router.routes.extend(question_routes(QUESTIONS, runtime, tokens, settings))
    app.router.routes.extend(commands)
    app.router.routes.extend(log_routes(runtime, tokens, settings))
    app.router.routes.extend(parked_routes(runtime, tokens, settings))
    app.router.routes.extend(content_routes(runtime, tokens, settings))
    app.router.routes.extend(what_if_routes(runtime, tokens, settings))
    app.router.routes.extend(health_routes(runtime, settings))
    app.router.routes.extend(_documents(settings))
    if issuer is not None:
        app.router.routes.append(issuer.route(runtime))
    app.add_exception_handler(HTTPException, _no_route)
    return app


def _documents(settings: Settings) -> list[Route]:
    whole = document(COMMANDS, QUESTIONS, version("yewu"))
    served = Reply(200, msgspec.json.encode(whole))
    published = asyncapi.document(topics(prefix_in(os.environ)), version("yewu"))
    on_topics = Reply(200, msgspec.json.encode(published))
    page = Reply(200, api_page(whole).encode(), type="text/html; charset=utf-8")

    async def openapi(_request: Request) -> Reply:
        return served

    async def messages(_request: Request) -> Reply:
        return on_topics

    async def docs(_request: Request) -> Reply:
        return page

    return [
        Route("/openapi.json", Endpoint(openapi, settings.request_seconds), methods=["GET"]),
        Route("/asyncapi.json", Endpoint(messages, settings.request_seconds), methods=["GET"]),
        Route("/docs", Endpoint(docs, settings.request_seconds), methods=["GET"]),
    ]


async def _no_route(request: StarletteRequest, error: Any) -> Response:
    """An address that is not there, or not for this method."""
    language = preferred(request.headers.get("accept-language", ""))
    if error.status_code == 405:
        problem = Problem(405, "not-allowed", "See the address /openapi.json for what is taken.")
    else:
        problem = Problem(404, "not-found", "There is nothing at {path}.", {"path": request.url.path})
    return Response(problem.body(language), problem.status, dict(error.headers or {}), PROBLEM)
