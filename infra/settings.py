"""Settings from the environment: each named once, read once, and refused with a sentence where it makes no sense."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aggregates.value import Value
from infra.embedded import default_home
from infra.roles import DatabaseRole

DATABASE = "DATABASE_URL"
KAFKA = "KAFKA_BOOTSTRAP_SERVERS"
OWN_ADDRESSES = {
    DatabaseRole.MIGRATOR: "YEWU_MIGRATOR_URL",
    DatabaseRole.PROJECTOR: "YEWU_PROJECTOR_URL",
    DatabaseRole.AUDITOR: "YEWU_AUDITOR_URL",
}
"""Where the address of the database stands for a role, if it is not that of all."""


class SettingError(Exception):
    """A setting makes no sense; the sentence says which, and what would."""


class Settings(Value):
    """What the environment says. No `database_url`: the embedded database of `home`; keys lie in `home` likewise.

    `own_urls` are the addresses of those roles that have one of their own.
    """

    home: Path
    database_url: str | None
    own_urls: Mapping[DatabaseRole, str]
    kafka_servers: str | None
    keys_url: str | None
    wrapping_key_file: Path | None
    wrapping_key: str | None
    host: str
    port: int
    zone: ZoneInfo
    issuer: str
    audience: str
    jwks_url: str | None
    development_issuer: bool
    max_body: int
    request_seconds: float
    max_page: int
    contents: Path
    max_content: int
    content_seconds: float
    content_scanner: tuple[str, ...]

    @property
    def keys_file(self) -> Path:
        """Where data keys are kept if no `keys_url` says otherwise: apart from the folder of the database."""
        return self.home / "keys.sqlite"

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings of this process; SettingError names the first that makes no sense."""
        env = os.environ if environment is None else environment
        home = Path(env.get("YEWU_HOME") or default_home()).expanduser().resolve()
        return cls(
            home=home,
            database_url=env.get(DATABASE) or None,
            own_urls={role: env[name] for role, name in OWN_ADDRESSES.items() if env.get(name)},
            kafka_servers=env.get(KAFKA) or None,
            keys_url=env.get("KEYS_URL") or None,
            wrapping_key_file=Path(file).expanduser() if (file := env.get("YEWU_WRAPPING_KEY_FILE")) else None,
            wrapping_key=env.get("YEWU_WRAPPING_KEY") or None,
            host=env.get("YEWU_HOST") or "127.0.0.1",
            port=_number(env, "YEWU_PORT", 8000, most=65535),
            zone=_zone(env.get("YEWU_ZONE") or "Asia/Shanghai"),
            issuer=env.get("YEWU_ISSUER") or "yewu-development",
            audience=env.get("YEWU_AUDIENCE") or "yewu",
            jwks_url=env.get("YEWU_JWKS_URL") or None,
            development_issuer=env.get("YEWU_DEVELOPMENT_ISSUER") == "on",
            max_body=_number(env, "YEWU_MAX_BODY", 1 << 20),
            request_seconds=float(_number(env, "YEWU_REQUEST_SECONDS", 30)),
            max_page=_number(env, "YEWU_MAX_PAGE", 1000),
            contents=Path(folder).expanduser().resolve() if (folder := env.get("YEWU_CONTENTS")) else home / "contents",
            max_content=_number(env, "YEWU_MAX_CONTENT", 64 << 20),
            content_seconds=float(_number(env, "YEWU_CONTENT_SECONDS", 300)),
            content_scanner=_command(env, "YEWU_CONTENT_SCANNER"),
        )

    def address(self, role: DatabaseRole) -> tuple[str, str | None]:
        """The setting that tells this role where the database is, and what it says; None: the embedded one."""
        if role in self.own_urls:
            return OWN_ADDRESSES[role], self.own_urls[role]
        return DATABASE, self.database_url


def _number(environment: Mapping[str, str], name: str, default: int, most: int = 1 << 31) -> int:
    value = environment.get(name)
    if not value:
        return default
    if not value.isdecimal() or not 0 < int(value) <= most:
        raise SettingError(f"{name}={value}: write a whole number from 1 to {most}.")
    return int(value)


def _command(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(environment.get(name) or ""))
    except ValueError:
        raise SettingError(f"{name}: write a command as a shell would take it, its quotation marks closed.") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingError(f"YEWU_ZONE={name}: write the name of a time zone, such as Asia/Shanghai.") from None
