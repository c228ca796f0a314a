"""The server of a project as AsyncAPI names it: host and protocol, never a login."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from wingman_runtime.settings import Settings

_EMBEDDED = (
    "The server that comes with the runtime, started when no other is named; it listens on a unix socket."
)


def server_of(settings: Settings) -> dict[str, Any]:
    """One server object; secrets, users and paths of this machine are left out."""
    url = settings.redis.url.get_secret_value() if settings.redis.url is not None else ""
    scheme = url.partition("://")[0].lower()
    if scheme in {"", "unix"}:
        said = _EMBEDDED if not scheme else "A server on the same machine, over a unix socket."
        return {"host": "localhost", "protocol": "redis", "description": said}
    try:
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2]
        database = parts.path.strip("/")
    except ValueError:  # no host can be told from such a URL; connecting says what is wrong with it
        hosts, database = "localhost", ""
    told: dict[str, Any] = {
        "host": hosts or "localhost",
        "protocol": "rediss" if scheme.startswith("rediss") else "redis",
        "description": "Redis 7 or Valkey 8, or newer.",
    }
    if scheme.endswith("+sentinel"):
        service = database.partition("/")[0]
        told["description"] = f"Sentinels that know where the service {service} is."
        told["x-sentinel-service"] = service
    elif database:
        told["pathname"] = f"/{database}"
    return told
