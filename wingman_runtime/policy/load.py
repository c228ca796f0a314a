"""From files to a `Bundle`; every error at file:line. What cannot be loaded whole is not loaded at all."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import cedarpy

from wingman_runtime.errors import PolicyError
from wingman_runtime.policy.bundle import (
    ALWAYS,
    PRINCIPALS,
    Bundle,
    Gate,
    Rule,
    digest_of,
    read_files,
    stored_at,
)
from wingman_runtime.policy.entities import principal_entities
from wingman_runtime.policy.principals import Principals, read_principals
from wingman_runtime.policy.text import blame, line_of_name, statements
from wingman_runtime.yamlfile import Located, parse_yaml, shown

_LAWLESS = "without policies nothing is allowed; `wingman init` writes a set to start from"


def load_bundle(policies: Path, principals: Path, *, strict: bool = True) -> Bundle:
    """Read a policies folder and a principals file.

    Args:
        strict: refuse what the schema refuses, and an ``@id`` used twice. False is for `lint`, which lists
            all of it; a bundle loaded so must not judge in earnest.

    Raises:
        PolicyError: with ``where`` file:line.
    """
    files = {name: raw for name, raw in read_files(policies).items() if name != PRINCIPALS}
    try:
        files[PRINCIPALS] = principals.read_bytes()
    except OSError as problem:
        raise PolicyError(
            f"cannot be read: {problem.strerror}",
            where=shown(principals),
            hint="declare users and roles there",
        ) from None
    return _build(files, policies, shown(principals), strict=strict)


def load_stored(store: Path, digest: str) -> Bundle:
    """The bundle saved under its digest by `Bundle.save`, after checking that it still is that bundle.

    Raises:
        PolicyError: not stored, or changed since.
    """
    folder = stored_at(store, digest)
    files = read_files(folder)
    if not files:
        raise PolicyError(
            f"bundle {digest} is not stored here", where=shown(store), hint="run `wingman policy apply`"
        )
    actual = digest_of(files)
    if actual != digest:
        raise PolicyError(
            f"the stored bundle was changed: its files give {actual}",
            where=shown(folder),
            hint="delete the folder and run `wingman policy apply` again",
        )
    return _build(files, folder, shown(folder / PRINCIPALS), strict=True)


def _build(files: Mapping[str, bytes], root: Path, principals_name: str, *, strict: bool) -> Bundle:
    texts = {name: _text(raw, root, name) for name, raw in files.items() if name != PRINCIPALS}
    schema_text, schema = _schema(texts, root)
    if ALWAYS not in texts:
        raise PolicyError(f"{ALWAYS} is missing", where=shown(root), hint=_LAWLESS)
    located = parse_yaml(files[PRINCIPALS], principals_name, error=PolicyError)
    principals = read_principals(located)
    _fits_schema(principals, schema, located)
    own = {name: _rules(text, root, name) for name, text in texts.items() if name.endswith(".cedar")}
    gates = {name: _gate(name, texts, own) for name in own if _continued(name, own) is None}
    bundle = Bundle(
        digest=digest_of(files),
        schema_text=schema_text,
        schema=schema,
        gates=MappingProxyType(gates),
        principals=principals,
        files=MappingProxyType(dict(files)),
        root=root,
    )
    if strict:
        refused = [*schema_problems(bundle), *repeated_ids(bundle)]
        if refused:
            rule, message = refused[0]
            more = "".join(f"\n  also {other.where}: {text}" for other, text in refused[1:])
            raise PolicyError(
                f"policy {rule.id}: {message}{more}", where=rule.where, hint="run `wingman policy check`"
            )
    return bundle


def schema_problems(bundle: Bundle) -> list[tuple[Rule, str]]:
    """What Cedar's strict validation says against a rule: unknown names, types, accesses that may fail."""
    found: dict[tuple[str, int, str], tuple[Rule, str]] = {}
    for gate in bundle.gates.values():
        for problem in cedarpy.validate_policies(gate.text, bundle.schema).errors:
            rule = gate.rules.get(problem.policy_id)
            if rule is None:  # nothing we can point at is still a reason to refuse
                rule = next(iter(gate.rules.values()))
            message = problem.error.removeprefix(f"for policy `{problem.policy_id}`, ")
            found.setdefault((rule.file, rule.line, message), (rule, message))
    return list(found.values())


def repeated_ids(bundle: Bundle) -> list[tuple[Rule, str]]:
    """Rules whose ``@id`` an earlier rule has; Cedar accepts them without a word."""
    first: dict[str, Rule] = {}
    again: list[tuple[Rule, str]] = []
    for rule in bundle.rules():
        earlier = first.setdefault(rule.id, rule)
        if earlier is not rule:
            again.append((rule, f'@id("{rule.id}") is taken by {earlier.where}'))
    return again


def _text(raw: bytes, root: Path, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise PolicyError(
            "not UTF-8", where=f"{shown(root / name)}:{line}", hint="save it as UTF-8"
        ) from None


def _schema(texts: Mapping[str, str], root: Path) -> tuple[str, cedarpy.Schema]:
    names = [name for name in sorted(texts) if name.endswith(".cedarschema")]
    if not names:
        raise PolicyError(
            "no .cedarschema file: policies could not be checked", where=shown(root), hint=_LAWLESS
        )
    text = "\n".join(texts[name] for name in names)
    try:
        return text, cedarpy.Schema.from_str(text)
    except ValueError as problem:
        message = str(problem).removeprefix("error parsing schema: ")
        guilty = next((name for name in names if not _parses(texts[name])), names[-1])
        line = line_of_name(texts[guilty], message)
        raise PolicyError(
            f"the schema is not valid: {message}", where=f"{shown(root / guilty)}:{line}"
        ) from None


def _parses(schema: str) -> bool:
    try:
        cedarpy.Schema.from_str(schema)
    except ValueError:
        return False
    return True


def _rules(text: str, root: Path, name: str) -> tuple[Rule, ...]:
    """The rules of one file, in their order."""
    shown_name = shown(root / name)
    try:
        tree = cedarpy.policies_to_pst(text)
    except ValueError as problem:
        line, message = blame(text, cedarpy.policies_to_pst)
        raise PolicyError(
            f"not valid Cedar: {message or problem}",
            where=f"{shown_name}:{line}",
            hint="correct the statement that stands on this line or ends just above it",
        ) from None
    written = statements(text)
    if tree.templates or len(written) != len(tree.static_policies):
        line = next((one.line for one in written if "?principal" in one.text or "?resource" in one.text), 1)
        raise PolicyError(
            "templates are not used here: an unlinked one decides nothing",
            where=f"{shown_name}:{line}",
            hint="write the principal and resource out",
        )
    rules = []
    for index, statement in enumerate(written):
        template = tree.static_policies[f"policy{index}"]
        notes = dict(template.annotations)
        rules.append(
            Rule(
                id=notes.get("id") or f"{name}:{statement.line}",
                effect=template.effect,
                reason=notes.get("reason", ""),
                file=shown_name,
                line=statement.line,
                text=statement.text,
                tree=template,
                annotations=MappingProxyType(notes),
            )
        )
    return tuple(rules)


def _continued(name: str, known: Collection[str]) -> str | None:
    """The gate file that ``name`` continues: ``80-emit.orders.cedar`` is a part of ``80-emit.cedar``."""
    stem, dot, _ = name.removesuffix(".cedar").partition(".")
    gate = f"{stem}.cedar"
    return gate if dot and gate in known else None


def _gate(name: str, texts: Mapping[str, str], own: Mapping[str, tuple[Rule, ...]]) -> Gate:
    parts: list[str] = []
    for gate in dict.fromkeys((ALWAYS, name)):
        parts += [gate, *sorted(other for other in own if _continued(other, own) == gate)]
    text = "\n".join(texts[part] for part in parts)
    handle = cedarpy.PolicySet.from_str(text)
    # Cedar numbers policies by their place in the text, so the rules' own order is the map.
    rules = [rule for part in parts for rule in own[part]]
    keyed = {f"policy{index}": rule for index, rule in enumerate(rules)}
    return Gate(name, handle, MappingProxyType(keyed), text)


def _fits_schema(principals: Principals, schema: cedarpy.Schema, located: Located) -> None:
    for kind, name, entity in principal_entities(principals):
        try:
            cedarpy.Entities.from_json_str(json.dumps([entity]), schema)
        except ValueError as problem:
            message = str(problem).rpartition("error during entity deserialization: ")[2]
            raise PolicyError(
                f"{kind}.{name} does not fit the schema: {message}",
                where=located.where(kind, name, "attributes"),
            ) from None
