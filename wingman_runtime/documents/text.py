"""Documents as text: the same data always gives the same bytes."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from ruamel.yaml import YAML


def json_text(value: Any, *, compact: bool = False) -> str:
    """JSON in the order it was made, with a newline at the end."""
    return json.dumps(value, ensure_ascii=False, indent=None if compact else 2) + "\n"


def yaml_text(value: Any) -> str:
    """YAML 1.2 in the order it was made, without anchors: a reader sees each part where it is."""
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 4096
    yaml.representer.ignore_aliases = lambda _: True
    out = StringIO()
    yaml.dump(value, out)
    return out.getvalue()
