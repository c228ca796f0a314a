"""Whom the project knows: what to tell somebody who acts under a name that nobody declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wingman_runtime.errors import ConfigError

if TYPE_CHECKING:
    from wingman_runtime.project.load import Project

_TOLD = 5
_PLACE = "config/principals.yaml"


def undeclared(project: Project, who: str, given: str) -> str:
    """That ``who`` is not declared, where the name came from, and what to do.

    Empty when the project declares them, or its files cannot be read: what is in force may be another state
    of them.

    Args:
        given: what was said with ``--as``; empty when the name was chosen for them.
    """
    from wingman_runtime.policy.principals import read_principals
    from wingman_runtime.yamlfile import parse_yaml, suggestion

    try:
        users = list(read_principals(parse_yaml((project.root / _PLACE).read_bytes(), _PLACE)).users)
    except (ConfigError, OSError):
        return ""
    if who in users:
        return ""
    source = "" if given else " (the setting actor)" if project.settings.actor else " (the login name)"
    names = ", ".join(users[:_TOLD]) + (", …" if len(users) > _TOLD else "")
    meant = suggestion(who, users)
    known = f"{meant} known: {names}" if meant else f"known: {names or 'nobody yet'}"
    default = "" if given else ", or name one as `actor:` in config/wingman.yaml"
    return (
        f"{who}{source} is not declared in {_PLACE}: say who acts with --as NAME ({known}){default}, "
        f"or declare {who} there under `users:`, then `wingman policy apply`"
    )
