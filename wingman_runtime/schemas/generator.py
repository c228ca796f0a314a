"""pydantic's schema generator, corrected where a model reads or writes something else than the schema says.

What JSON Schema cannot say (a time with a zone, how many digits a Decimal has) becomes a format of our own,
``wingman:…``: a reader and a writer that name the same one agree, and whatever else is unknown.

Source: pydantic 2.14, ``pydantic.json_schema.GenerateJsonSchema``, whose methods are meant to be overridden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ConfigDict
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import MISSING, PydanticOmit, core_schema

from wingman_runtime.schemas.claims import adds, claimed, without_claims, words
from wingman_runtime.schemas.fingerprint import shipped

DECIMAL = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
HEX = r"^([0-9a-fA-F]{2})*$"
_NON_FINITE = ["Infinity", "-Infinity", "NaN"]
_PER_SECOND = {"seconds": 1, "milliseconds": 1000}
_ERA = {"minimum": -62135596800, "exclusiveMaximum": 253402300800}  # years 1 to 9999
_SPANS: Mapping[str, dict[str, Any]] = {
    "date": {**_ERA, "multipleOf": 86400},
    "datetime": _ERA,
    "time": {"minimum": 0, "exclusiveMaximum": 86400},
    "duration": {"minimum": -86399999913600, "maximum": 86400000000000},
}
UNREAD = "x-unread"
"""On a property, for lints: it is written by a name that it is not read by."""
NON_FINITE = "x-non-finite"
"""On a number, for lints: infinity and NaN are allowed and become null."""
_PLAIN = (bool, int, str)
_PLACE = {"type", "ref", "metadata", "serialization", "strict", "cls_repr"}


def label(kind: str, rules: Mapping[str, Any]) -> dict[str, Any] | None:
    """The format that stands for rules no keyword can say; None where there are none."""
    told = " ".join(f"{name}={rules[name]}" for name in sorted(rules))
    return {"format": f"wingman:{kind} {told}"} if told else None


def also(schema: JsonSchemaValue, *more: Mapping[str, Any] | None) -> JsonSchemaValue:
    """The schema with further demands beside its own."""
    found = [dict(one) for one in more if one]
    if found:
        schema["allOf"] = [*schema.get("allOf", []), *found]
    return schema


def _rules(schema: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: schema[name] for name in names if schema.get(name) is not None}


class SchemaGenerator(GenerateJsonSchema):
    """Serialization mode gives what a producer emits, validation mode what a consumer accepts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ignored_warning_kinds = {
            "skipped-choice",
            "non-serializable-default",
            "skipped-discriminator",
        }
        self._settings: list[Mapping[str, Any]] = [{}]

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value  # the canonical form is sorted in the end

    def encode_default(self, dft: Any) -> Any:
        # Most defaults are what they are in JSON; pydantic builds a type adapter for each.
        return dft if dft is None or type(dft) in _PLAIN else super().encode_default(dft)

    # What an author says of a schema is believed where the type does not say otherwise.

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        said = schema.get("metadata")
        if not said:
            return super().generate_inner(schema)
        plain = {**schema, "metadata": without_claims(said, functions=False)}
        if not claimed(said):
            return super().generate_inner(plain)
        told = {**schema, "metadata": without_claims(said, functions=True)}
        try:
            truth = super().generate_inner(plain)
        except PydanticInvalidForJsonSchema:  # only its author can say
            return super().generate_inner(told)
        try:
            claim = super().generate_inner(told)
        except (PydanticInvalidForJsonSchema, PydanticOmit):
            return truth
        return claim if adds(claim, truth) else truth

    def _update_class_schema(self, json_schema: JsonSchemaValue, cls: type[Any], config: ConfigDict) -> None:
        kept: Any = {key: value for key, value in config.items() if key != "json_schema_extra"}
        super()._update_class_schema(json_schema, cls, kept)
        json_schema.update(words(config.get("json_schema_extra")))

    @property
    def writes(self) -> bool:
        return self.mode == "serialization"

    def _setting(self, name: str, default: Any) -> Any:
        found = self._settings[-1].get(name)
        return default if found is None else found

    # Objects: the writer's are closed, the reader's open; every name a field is read by is told.

    def _extent(self, body: JsonSchemaValue) -> JsonSchemaValue:
        if "properties" not in body:
            return body
        if self.writes:
            body.setdefault("additionalProperties", False)
        else:
            body.pop("additionalProperties", None)
        return body

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        self._settings.append(schema.get("config") or {})
        try:
            body = super().model_schema(schema)
        finally:
            self._settings.pop()
        return body if schema.get("root_model") else self._extent(body)

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        self._settings.append({**self._settings[-1], **(schema.get("config") or {})})
        try:
            body = super().dataclass_schema(schema)
        finally:
            self._settings.pop()
        return self._extent(body)

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        self._settings.append({**self._settings[-1], **(schema.get("config") or {})})
        try:
            body = super().typed_dict_schema(schema)
            return self._extent(self._read_by(body, schema["fields"].items()))
        finally:
            self._settings.pop()

    def model_fields_schema(self, schema: core_schema.ModelFieldsSchema) -> JsonSchemaValue:
        return self._read_by(super().model_fields_schema(schema), schema["fields"].items())

    def dataclass_args_schema(self, schema: core_schema.DataclassArgsSchema) -> JsonSchemaValue:
        body = super().dataclass_args_schema(schema)
        return self._read_by(body, ((field["name"], field) for field in schema["fields"]))

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        required = super().field_is_required(field, total)
        if not self.writes or field["type"] == "typed-dict-field":
            return required
        # Everything is emitted, defaults too; bar what the model leaves out by itself.
        leaves_out = field["schema"].get("default") is MISSING
        return field.get("serialization_exclude_if") is None and not leaves_out

    def _read_by(self, body: JsonSchemaValue, fields: Iterable[tuple[str, Any]]) -> JsonSchemaValue:
        """pydantic shows the first name of a field only; a reader takes any of them."""
        properties, required = body["properties"], body.get("required", [])
        if self.writes:
            for name, field in fields:
                shown = field.get("serialization_alias", name)
                if shown in properties and all(path[0] != shown for path in self._paths(name, field)):
                    properties[shown] = {**properties[shown], UNREAD: True}
            return body
        choices: list[JsonSchemaValue] = []
        for name, field in fields:
            paths = self._paths(name, field)
            shown = self._get_alias_name(field, name)
            if paths == [[shown]] or shown not in properties:
                continue
            value, needed = properties.pop(shown), shown in required
            if needed:
                required.remove(shown)
            for path in paths:
                top = str(path[0])
                inner = _at(path[1:], value, needed)
                properties[top] = also(dict(properties[top]), inner) if top in properties else inner
            tops = sorted({str(path[0]) for path in paths})
            if needed and len(tops) == 1:
                required.append(tops[0])
            elif needed:
                choices.append({"anyOf": [{"required": [top]} for top in tops]})
        if required:
            body["required"] = required
        else:
            body.pop("required", None)
        return also(body, *choices)

    def _paths(self, name: str, field: Mapping[str, Any]) -> list[list[str | int]]:
        alias = field.get("validation_alias")
        if alias is None:
            return [[name]]
        paths: list[list[str | int]] = [[alias]] if isinstance(alias, str) else []
        if isinstance(alias, list):
            paths = [list(one) for one in alias] if isinstance(alias[0], list) else [list(alias)]
        if self._setting("validate_by_alias", True) is False:
            return [[name]]
        if self._setting("validate_by_name", False) or self._setting("populate_by_name", False):
            paths.append([name])
        return paths

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        body = super().tagged_union_schema(schema)
        tag = schema["discriminator"]
        body.pop("discriminator", None)
        if self.writes or callable(tag):
            return body
        # A tag that has a default is no optional field: without it no variant is chosen.
        paths: Any = [[tag]] if isinstance(tag, str) else tag
        names = [str(path[0]) for path in paths if path]
        needs: JsonSchemaValue = {"required": names[:1]}
        if len(names) > 1:
            needs = {"anyOf": [{"required": [one]} for one in names]}
        body["oneOf"] = [{"allOf": [branch, needs]} for branch in body["oneOf"]]
        return body

    # Maps: keys travel as text, so what they may be is told by propertyNames (see `derive`).

    def _map(self, schema: Mapping[str, Any]) -> JsonSchemaValue:
        body: JsonSchemaValue = {"type": "object"}
        if "values_schema" in schema:
            body["additionalProperties"] = self.generate_inner(schema["values_schema"])
        if "keys_schema" in schema:
            body["propertyNames"] = self.generate_inner(schema["keys_schema"])
        self.update_with_validations(body, schema, self.ValidationsMapping.object)
        return body

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return self._map(schema)

    def frozendict_schema(self, schema: Any) -> JsonSchemaValue:
        return self._map(schema)

    def ordered_dict_schema(self, schema: Any) -> JsonSchemaValue:
        return self._map(schema)

    def counter_schema(self, schema: Any) -> JsonSchemaValue:
        return self._map(schema)

    # Scalars.

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        bounds = _rules(schema, ("ge", "gt", "le", "lt", "multiple_of"))
        digits = _rules(schema, ("max_digits", "decimal_places"))
        text = also({"type": "string", "pattern": DECIMAL}, label("decimal", {**bounds, **digits}))
        if self.writes or digits:  # how many digits a number has, no schema can say: text only
            return text
        floats: Any = {name: float(value) for name, value in bounds.items()}
        number = core_schema.float_schema(**floats)
        return {"anyOf": [super().float_schema(number), text]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        body = super().float_schema(schema)
        allowed = schema.get("allow_inf_nan")
        if allowed is None:
            allowed = self._setting("allow_inf_nan", True)
        if allowed and self._setting("ser_json_inf_nan", "null") == "strings":
            return {"anyOf": [body, {"type": "string", "enum": list(_NON_FINITE)}]}
        return {**body, NON_FINITE: True} if allowed else body

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        merged: Any = dict(schema)
        for name in ("min_length", "max_length"):
            if merged.get(name) is None and (found := self._setting(f"str_{name}", None)) is not None:
                merged[name] = found
        body = super().str_schema(merged)
        strips = merged.get("strip_whitespace", self._setting("str_strip_whitespace", False))
        shape = None
        if strips and merged.get("min_length"):
            least = int(merged["min_length"])
            shape = {"pattern": r"\S" if least == 1 else rf"\S[\s\S]{{{least - 2},}}\S"}
        return also(body, shape)

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        coding = self._setting("ser_json_bytes" if self.writes else "val_json_bytes", "utf8")
        body: JsonSchemaValue = {"type": "string"}
        if coding == "hex":
            body["pattern"] = HEX
        else:
            body["format"] = "base64url" if coding == "base64" else "binary"
        # Lengths count bytes, not characters of the text they travel as.
        return also(body, label(f"bytes:{coding}", _rules(schema, ("min_length", "max_length"))))

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        return self._bounded("date", super().date_schema(schema), schema)

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        return self._bounded("time", super().time_schema(schema), schema)

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        return self._bounded("datetime", super().datetime_schema(schema), schema)

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return self._bounded("duration", super().timedelta_schema(schema), schema)

    def json_schema(self, schema: core_schema.JsonSchema) -> JsonSchemaValue:
        body = super().json_schema(schema)
        return body if self.writes else {**body, "format": "wingman:json"}

    def _bounded(self, kind: str, body: JsonSchemaValue, schema: Mapping[str, Any]) -> JsonSchemaValue:
        unit = self._setting("ser_json_temporal", "")
        if not unit and kind == "duration" and self._setting("ser_json_timedelta", "") == "float":
            unit = "seconds"
        if unit in _PER_SECOND:
            numbers = {key: value * _PER_SECOND[unit] for key, value in _SPANS[kind].items()}
            numbers["type"] = "number"
            return numbers if self.writes else {"anyOf": [numbers, body]}
        rules = _rules(schema, ("ge", "gt", "le", "lt", "now_op", "tz_constraint"))
        return also(body, label(kind, rules))

    def url_schema(self, schema: core_schema.UrlSchema) -> JsonSchemaValue:
        return also(super().url_schema(schema), label("url", _url_rules(schema)))

    def multi_host_url_schema(self, schema: core_schema.MultiHostUrlSchema) -> JsonSchemaValue:
        return also(super().multi_host_url_schema(schema), label("urls", _url_rules(schema)))

    def ser_schema(self, schema: Any) -> JsonSchemaValue | None:
        found = super().ser_schema(schema)
        users = schema["type"] in {"function-plain", "function-wrap"} and not shipped(schema["function"])
        if found is None and users and schema.get("when_used", "always") not in {"python", "never"}:
            return {}  # a serializer that does not say what it returns may return anything
        return found


def _at(path: list[str | int], value: JsonSchemaValue, needed: bool) -> JsonSchemaValue:
    """The schema of the outermost name of an alias path; an optional one may lead nowhere."""
    if not path:
        return dict(value)
    inner = _at(path[1:], value, needed)
    step = path[0]
    if isinstance(step, int):
        body: JsonSchemaValue = {"prefixItems": [{}] * step + [inner]} if step >= 0 else {}
        return {**body, "type": "array", "minItems": step + 1 if step >= 0 else -step} if needed else body
    body = {"properties": {step: inner}}
    return {**body, "type": "object", "required": [step]} if needed else body


def _url_rules(schema: Mapping[str, Any]) -> dict[str, Any]:
    rules = {name: value for name, value in schema.items() if name not in _PLACE and value is not None}
    for held in ("max_length", "default_host", "default_port", "default_path", "preserve_empty_path"):
        rules.pop(held, None)
    if "allowed_schemes" in rules:
        rules["allowed_schemes"] = ",".join(sorted(rules["allowed_schemes"]))
    return rules
