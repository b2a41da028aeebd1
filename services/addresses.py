"""Where the database is for a process, by the role that it plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from infra.embedded import EmbeddedPostgres
from infra.migrations import migrate
from infra.roles import DatabaseRole, require_fit
from infra.settings import Settings


def address_for(role: DatabaseRole, settings: Settings) -> str:
    """The address by which a process connects as this role.

    Unfit if the login behind it has other rights, or if the server could lose what is recorded.
    """
    setting, url = settings.address(role)
    conninfo = url or EmbeddedPostgres(settings.home).url_as(role)
    with psycopg.connect(conninfo, autocommit=True) as db:
        require_fit(db, role, setting)
    return conninfo


def address_for_migrations(settings: Settings) -> str:
    """The address by which the database is brought up to date; the first time takes a superuser."""
    return settings.address(DatabaseRole.MIGRATOR)[1] or EmbeddedPostgres(settings.home).url


@contextmanager
def database_at_hand(settings: Settings) -> Iterator[None]:
    """Within the block there is a database: the one named, or the embedded one, started if it does not run."""
    with ExitStack() as stack:
        if settings.database_url is None and not settings.own_urls:
            embedded = EmbeddedPostgres(settings.home)
            try:
                psycopg.connect(embedded.url).close()
            except psycopg.OperationalError:
                migrate(stack.enter_context(embedded).url)
        yield
