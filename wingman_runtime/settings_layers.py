"""The layers settings come from: file, environment, flags; each value remembered with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

from wingman_runtime.errors import ConfigError, UsageError
from wingman_runtime.yamlfile import Located, suggestion

CONFIG_FILE = "config/wingman.yaml"
ENV_PREFIX = "WINGMAN_"
ENV_SHORT = {"WINGMAN_REDIS_URL": "redis.url"}
"""Shorthands: a second name for a setting."""
ENV_OTHER = {
    "WINGMAN_PROJECT": "the project's folder; see `wingman --project`",
    "WINGMAN_DEBUG": "1: show tracebacks of errors",
}
"""Variables that are ours and no setting."""


def env_name(path: str) -> str:
    """The environment variable of a setting: ``limits.steps`` → ``WINGMAN_LIMITS__STEPS``."""
    return ENV_PREFIX + path.replace(".", "__").upper()


@dataclass
class Layers:
    """Reads the layers and says where a value came from.

    Args:
        known: the path of every setting.
        problems: what is found wrong is appended here.
    """

    located: Located
    environ: dict[str, str]
    known: list[str]
    problems: list[ConfigError]
    sources: dict[str, str] = field(default_factory=dict)

    def merged(self, settings: type[BaseSettings], flags: Mapping[str, Any]) -> dict[str, Any]:
        """One nested mapping; flags win over environment, environment over file.

        Raises:
            UsageError: a flag that is no setting.
        """
        merged: dict[str, Any] = {}
        for layer in (self._from_file(), self._from_environment(settings), self._from_flags(flags)):
            _merge(merged, layer)
        return merged

    def problem(self, loc: tuple[int | str, ...], message: str) -> ConfigError:
        """A wrong value as an error at its place."""
        path = [str(part) for part in loc]
        for count in range(len(path), 0, -1):
            source = self.sources.get(".".join(path[:count]))
            if source is not None:
                return ConfigError(f"{'.'.join(path)}: {message}", where=source)
        # A group that is wrong as a whole ("limits: 3") has no source of its own.
        return ConfigError(f"{'.'.join(path)}: {message}", where=self.located.where(*path))

    def _from_file(self) -> dict[str, Any]:
        if isinstance(self.located.data, Mapping):
            return self._kept(self.located.data, ())
        self.problems.append(ConfigError("a mapping of settings is expected", where=self.located.where()))
        return {}

    def _kept(self, group: Mapping[str, Any], prefix: tuple[str, ...]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        groups = {name.rpartition(".")[0] for name in self.known} - {""}
        for key, value in group.items():
            path = (*prefix, key)
            dotted = ".".join(path)
            where = self.located.where(*path)
            if dotted not in self.known and dotted not in groups:
                hint = _beside(path, [*self.known, *groups])
                self.problems.append(ConfigError(f"unknown setting {dotted!r}", where=where, hint=hint))
            elif value is not None:
                self.sources[dotted] = where
                group_here = isinstance(value, Mapping) and dotted in groups
                kept[key] = self._kept(value, path) if group_here else value
                if not group_here:
                    self._placed(value, path)
        return kept

    def _placed(self, value: Any, path: tuple[str, ...]) -> None:
        """Where the parts of a setting stand whose names are free, such as those of tenants."""
        if isinstance(value, Mapping):
            for key, part in value.items():
                self.sources[".".join((*path, str(key)))] = self.located.where(*path, key)
                self._placed(part, (*path, key))

    def _from_environment(self, settings: type[BaseSettings]) -> dict[str, Any]:
        names = {env_name(path): path for path in self.known}
        groups = {env_name(path.rpartition(".")[0]) for path in self.known if "." in path}
        for name, value in sorted(self.environ.items()):
            if not name.startswith(ENV_PREFIX) or name in ENV_OTHER or not value:
                continue
            path = names.get(name) or ENV_SHORT.get(name)
            if path is not None:
                self.sources[path] = name
            elif name not in groups:
                # Without the prefix, which alone makes any two of them look alike.
                bare = [known.removeprefix(ENV_PREFIX) for known in (*names, *ENV_SHORT, *ENV_OTHER)]
                meant = suggestion(name.removeprefix(ENV_PREFIX), bare).replace(
                    "mean '", f"mean '{ENV_PREFIX}"
                )
                hint = meant or f"unset it; `env -u {name} wingman config show` lists every setting"
                message = f"unknown environment variable {name}"
                self.problems.append(ConfigError(message, where="environment", hint=hint))
        try:
            layer = EnvSettingsSource(settings, case_sensitive=False, env_ignore_empty=True)()
        except SettingsError as error:
            self.problems.append(
                ConfigError(str(error), where="environment", hint="a group is given as JSON")
            )
            return {}
        layer.pop("project", None)
        for unknown in set(self.environ) - set(names):  # reported above; not once more by the model
            *group, leaf = unknown.removeprefix(ENV_PREFIX).lower().split("__")
            if len(group) == 1 and isinstance(layer.get(group[0]), dict):
                layer[group[0]].pop(leaf, None)
        for name in groups & self.environ.keys():  # a whole group as JSON
            prefix = name.removeprefix(ENV_PREFIX).lower()
            for leaf in layer.get(prefix, {}):
                if f"{prefix}.{leaf}" not in self.sources or env_name(f"{prefix}.{leaf}") not in self.environ:
                    self.sources[f"{prefix}.{leaf}"] = name
        return self._with_shorthands(layer)

    def _with_shorthands(self, layer: dict[str, Any]) -> dict[str, Any]:
        for short, path in ENV_SHORT.items():
            value = self.environ.get(short)
            if not value:
                continue
            group, _, leaf = path.partition(".")
            other = layer.get(group, {}).get(leaf)
            if other not in (None, value):
                message = f"{short} and {env_name(path)} differ"
                self.problems.append(ConfigError(message, where="environment", hint="unset one of them"))
            self.sources[path] = short
            layer.setdefault(group, {})[leaf] = value
        return layer

    def _from_flags(self, flags: Mapping[str, Any]) -> dict[str, Any]:
        layer: dict[str, Any] = {}
        for flag, value in flags.items():
            path = "redis.url" if flag == "redis_url" else flag.replace("__", ".")
            if path not in self.known:
                raise UsageError(f"no setting {path!r}", where=flag, hint=_nearest(path, self.known))
            if value is None:
                continue
            self.sources[path] = f"flag {flag}"
            *groups, leaf = path.split(".")
            target = layer
            for part in groups:
                target = target.setdefault(part, {})
            target[leaf] = value
        return layer


def _merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _beside(path: tuple[str, ...], known: list[str]) -> str:
    """What was meant, or what else could stand there: `wingman config show` would refuse the same file."""
    *group, leaf = path
    parts = [one.split(".") for one in known]
    names = list(dict.fromkeys(one[len(group)] for one in parts if one[: len(group)] == group != one))
    # The leaf alone: with the same group before them any two names look alike.
    meant = suggestion(leaf, names).replace("mean '", f"mean '{'.'.join([*group, ''])}")
    if not meant and not group:
        meant = suggestion(leaf, known)
    return meant or f"remove it; known here: {', '.join(names)}"


def _nearest(name: str, known: list[str]) -> str:
    return suggestion(name, known) or "see `wingman config show` for every setting"
