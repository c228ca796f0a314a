"""One form for every schema that says the same in the same way, so that equal means equal and a digest holds.

What is only for people (titles, examples) goes; names of definitions go, for they are inlined, and where one
leads back to itself it is named after its own form; order that means nothing is sorted away.

Source: JSON Schema 2020-12; draft-07's spellings of definitions and tuples are taken too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from wingman_runtime.contracts.canonical import canonical as to_bytes
from wingman_runtime.contracts.canonical import digest as digest_of
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.forms import KEYWORDS, LISTS, MAPS, SINGLES, Form, number, simplified, text_of
from wingman_runtime.schemas.record import Schema

NODE_LIMIT = 50_000


def canonical(schema: Schema | bool, *, defaults: bool = True) -> Schema:
    """The canonical form: equal for schemas that differ in wording, order and names of definitions only.

    Args:
        schema: a JSON Schema as plain data; it is not changed.
        defaults: whether ``default`` stays; a reader's means something, a writer's does not.

    Raises:
        ContractError: a reference leads nowhere, or the schema written out is too big.
    """
    try:
        return _Canon(schema, defaults).result()
    except RecursionError:
        raise ContractError("the schema is nested too deeply", hint="flatten the model") from None


def digest(writer: Schema, reader: Schema, event: str = "") -> str:
    """``sha256:`` and hex over both schemas, which must be canonical, and the event's name."""
    return digest_of({"event": event, "writer": writer, "reader": reader, "content": "application/json"})


class _Canon:
    def __init__(self, root: Schema | bool, defaults: bool) -> None:
        self.root = root
        self.defaults = defaults
        self.names: dict[str, str] = {}
        self.done: dict[str, tuple[Form, int]] = {}
        self.nodes = 0

    def result(self) -> Schema:
        loops = sorted(self._loops())
        self.names = dict.fromkeys(loops, "")
        classes = 1
        while loops:
            # Names are refined until no more definitions can be told apart: their own names never matter.
            formed = {one: to_bytes(self._fresh(one)) for one in loops}
            self.names = {one: "r" + hashlib.sha256(text).hexdigest()[:12] for one, text in formed.items()}
            if len(set(self.names.values())) == classes:
                break
            classes = len(set(self.names.values()))
        self._restart()
        body = self._form(self.root)
        if isinstance(body, bool):
            return {} if body else {"not": {}}
        if loops:
            kept = {self.names[one]: self._fresh(one) for one in loops}
            body = {**self._unrolled(body, kept), "$defs": kept}
        return dict(_sorted(body))

    def _unrolled(self, body: dict[str, Any], kept: Mapping[str, Form]) -> dict[str, Any]:
        """A root that is one of its own definitions is written out once, so that it shows its fields."""
        name = str(body.get("$ref", "")).removeprefix("#/$defs/")
        found = kept.get(name)
        return (
            {**found, **{k: v for k, v in body.items() if k != "$ref"}} if isinstance(found, dict) else body
        )

    def _restart(self) -> None:
        self.done, self.nodes = {}, 0

    def _fresh(self, pointer: str) -> Form:
        self._restart()
        return self._form(self._target(pointer))

    def _target(self, pointer: str) -> Any:
        found: Any = self.root
        if not pointer.startswith("#"):
            raise ContractError(f"{pointer[:100]!r} leads out of the schema", hint="keep $defs beside it")
        for part in pointer[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise ContractError(f"{pointer[:100]!r} leads nowhere", hint="keep $defs beside it") from None
        return found

    def _loops(self) -> set[str]:
        """The references that lead back to themselves."""
        leads: dict[str, set[str]] = {}
        ahead = list(_refs(self.root))
        while ahead:
            pointer = ahead.pop()
            if pointer not in leads:
                leads[pointer] = set(_refs(self._target(pointer)))
                ahead.extend(leads[pointer])
        return {pointer for pointer in leads if pointer in _reach(leads, pointer)}

    def _form(self, node: Any) -> Form:
        self.nodes += 1
        if self.nodes > NODE_LIMIT:
            raise ContractError(
                f"the schema has more than {NODE_LIMIT} parts when written out",
                hint="nest fewer models in one another",
            )
        if isinstance(node, bool) or not isinstance(node, dict):
            return node if isinstance(node, bool) else {}
        kept = {key: value for key, value in node.items() if key in KEYWORDS}
        if not self.defaults:
            kept.pop("default", None)
        _modern(kept)
        pointer = kept.pop("$ref", None)
        formed = {key: self._child(key, value) for key, value in kept.items()}
        if isinstance(pointer, str):
            formed["allOf"] = [self._named(pointer), *formed.get("allOf", [])]
        return simplified(formed)

    def _named(self, pointer: str) -> Form:
        if pointer in self.names:
            return {"$ref": f"#/$defs/{self.names[pointer]}"}
        if pointer not in self.done:
            before = self.nodes
            self.done[pointer] = (self._form(self._target(pointer)), self.nodes - before)
        else:
            self.nodes += self.done[pointer][1]
        return self.done[pointer][0]

    def _child(self, key: str, value: Any) -> Any:
        if key in SINGLES:
            return self._form(value)
        if key in MAPS and isinstance(value, dict):
            return {name: self._form(item) for name, item in value.items()}
        if key in LISTS and isinstance(value, list):
            return [self._form(item) for item in value]
        return number(value)


def _modern(node: dict[str, Any]) -> None:
    """Draft-07's tuples as 2020-12 writes them."""
    if isinstance(node.get("items"), list):
        node["prefixItems"] = node.pop("items")
        if "additionalItems" in node:
            node["items"] = node["additionalItems"]
    node.pop("additionalItems", None)


def _refs(node: Any) -> list[str]:
    """References in a schema, those in its definitions left out."""
    found: list[str] = []
    ahead = [node]
    while ahead:
        one = ahead.pop()
        if not isinstance(one, dict):
            continue
        if isinstance(one.get("$ref"), str):
            found.append(one["$ref"])
        for key, value in one.items():
            if key in MAPS and isinstance(value, dict):
                ahead.extend(value.values())
            elif key in LISTS and isinstance(value, list):
                ahead.extend(value)
            elif key in SINGLES:
                ahead.extend(value if isinstance(value, list) else [value])
    return found


def _reach(leads: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = list(leads[start])
    while ahead:
        one = ahead.pop()
        if one not in seen:
            seen.add(one)
            ahead.extend(leads[one])
    return seen


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


__all__ = ["canonical", "digest", "text_of"]
