"""Released versions lie in files: read strictly, never changed, whole or not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wingman_runtime.errors import ConfigError, ConflictError, ContractError, NotFoundError
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.recordfile import read_record, to_data
from wingman_runtime.schemas.registry import Registry
from wingman_runtime.schemas.version import Version


def record(version: str = "1.0.0", event: str = "OrderPlaced", **more: Any) -> SchemaRecord:
    schema = {"type": "object", "properties": {"total": {"type": "integer", "maximum": 10}}}
    return SchemaRecord(
        event=event,
        version=Version.parse(version),
        writer=schema,
        reader=schema,
        digest="sha256:" + "0" * 64,
        owner="the shop",
        **more,
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Two versions of one event, and one of another."""
    made = Registry(tmp_path)
    made.write(record("1.10.0", samples=({"total": 1},)))
    made.write(record("1.9.0"))
    made.write(record(event="OrderShipped"))
    return made


def test_what_is_written_is_read(registry: Registry) -> None:
    """A record comes back as it was; versions are in their order as numbers, not as text."""
    fresh = Registry(registry.root)
    assert fresh.events() == ("OrderPlaced", "OrderShipped")
    assert [str(one.version) for one in fresh.history("OrderPlaced")] == ["1.9.0", "1.10.0"]
    assert fresh.get("OrderPlaced") == record("1.10.0", samples=({"total": 1},))
    assert fresh.get("OrderPlaced", "1.9.0") == record("1.9.0")
    assert fresh.latest("OrderPaid") is None
    assert fresh.history("../schemas/OrderPlaced") == ()
    assert fresh.problems() == []


def test_a_file_is_the_same_text_every_time(registry: Registry) -> None:
    """Sorted, indented, ending in a newline: a review shows what changed and nothing else."""
    path = registry.file("OrderPlaced", Version.parse("1.9.0"))
    text = path.read_text(encoding="utf-8")
    data = json.loads(text)
    assert text == json.dumps(data, indent=2, sort_keys=True) + "\n"
    assert data == to_data(record("1.9.0"))
    assert sorted(one.name for one in path.parent.iterdir()) == ["1.10.0.json", "1.9.0.json"]


def test_what_is_unknown_is_not_found(registry: Registry) -> None:
    """An unknown event is answered with the one that was meant, an unknown version with those there are."""
    with pytest.raises(NotFoundError) as caught:
        registry.get("OrderPlacd")
    assert caught.value.hint == "did you mean 'OrderPlaced'?"
    with pytest.raises(NotFoundError) as caught:
        registry.get("OrderPlaced", "2.0.0")
    assert caught.value.hint == "released are: 1.9.0, 1.10.0"
    with pytest.raises(ContractError):
        registry.get("OrderPlaced", "1.9")


def test_a_released_version_is_never_another_one(registry: Registry) -> None:
    """The same once more changes nothing; another one is refused, and the file stays."""
    path = registry.file("OrderPlaced", Version.parse("1.9.0"))
    before = path.read_bytes(), path.stat().st_mtime_ns
    registry.write(record("1.9.0"))
    with pytest.raises(ConflictError) as caught:
        registry.write(record("1.9.0", fingerprint="sha256:1"))
    assert "1.9.0 is released" in caught.value.message
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert len(list(path.parent.iterdir())) == 2


def test_without_links_it_is_not_overwritten_either(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that knows no links a record is moved into place, and still never over another."""

    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    registry.write(record("1.11.0"))
    assert registry.get("OrderPlaced").version == Version.parse("1.11.0")
    with pytest.raises(ConflictError):
        registry.write(record("1.11.0", fingerprint="sha256:1"))


def test_what_json_cannot_carry_is_not_written(registry: Registry) -> None:
    """NaN in a sample is refused, and leaves no file behind."""
    with pytest.raises(ContractError):
        registry.write(record("2.0.0", samples=({"total": float("nan")},)))
    assert not registry.file("OrderPlaced", Version.parse("2.0.0")).exists()


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        data = json.loads(text)
        change(data)
        return json.dumps(data, indent=2, sort_keys=True)

    return apply


@pytest.mark.parametrize(
    ("mutation", "line", "said"),
    [
        (edited(lambda data: data["writer"]["properties"]["total"].update(maximum=11)), "seal", "edited"),
        (edited(lambda data: data["samples"].append({"total": 1})), "seal", "edited"),
        (edited(lambda data: data.update(owner="somebody else")), "seal", "edited"),
        (edited(lambda data: data.update(digest="sha256:" + "1" * 64)), "seal", "edited"),
        (edited(lambda data: data.update(seal="sha256:" + "1" * 64)), "seal", "edited"),
        (edited(lambda data: data.update(version="1.9.1")), "version", "in a file called 1.9.0.json"),
        (edited(lambda data: data.update(version="1.9")), "version", "is no version"),
        (edited(lambda data: data.update(event="OrderPaid")), "event", "in the folder of 'OrderPlaced'"),
        (edited(lambda data: data.update(writers={})), "writers", "is not known here"),
        (edited(lambda data: data.update(samples={})), "samples", "a list is expected"),
        (edited(lambda data: data.update(reader=[])), "reader", "an object is expected"),
        (edited(lambda data: data.update(owner=None)), "owner", "text is expected"),
        (edited(lambda data: data.update(reserved={"a": 1})), "reserved", "an object is expected"),
        (edited(lambda data: data.update(accepted=[1])), "accepted", "objects of texts"),
        (edited(lambda data: data.pop("seal")), "", "seal: is missing"),
        (lambda text: text.replace('"owner":', '"owner"'), '"owner"', "not valid JSON"),
        (lambda text: text.replace('"the shop"', "NaN"), '"owner"', "not valid JSON"),
        (lambda text: "[]", "", "a JSON object is expected"),
        (lambda text: "", "", "not valid JSON"),
        (lambda text: "[" * 100_000, "", "not valid JSON"),
    ],
)
def test_an_edited_record_is_refused_at_its_line(
    registry: Registry, mutation: Callable[[str], str], line: str, said: str
) -> None:
    """Whatever is changed in a released record by hand is found, and named with file and line."""
    path = registry.file("OrderPlaced", Version.parse("1.9.0"))
    text = mutation(path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Registry(registry.root).history("OrderPlaced")
    file, _, number = (caught.value.where or "").rpartition(":")
    assert file == str(path)
    assert said in caught.value.message
    rows = text.splitlines() or [""]
    assert line.strip('"') in rows[int(number) - 1]
    assert [one.where for one in Registry(registry.root).problems()] == [caught.value.where]


def test_a_copy_is_no_release(registry: Registry) -> None:
    """A file copied under a higher version is refused: what it says inside is another version."""
    path = registry.file("OrderPlaced", Version.parse("1.9.0"))
    shutil.copy(path, path.with_name("2.0.0.json"))
    with pytest.raises(ConfigError, match=r"1\.9\.0 in a file called 2\.0\.0\.json"):
        Registry(registry.root).history("OrderPlaced")


@pytest.mark.parametrize("name", ["01.0.0.json", "1.0.json", "1.0.0.yaml", "latest.json", "1.0.0.json.orig"])
def test_a_file_that_is_no_version_is_refused(registry: Registry, name: str) -> None:
    """Nothing lies beside the versions that could be taken for one."""
    path = registry.folder("OrderPlaced") / name
    path.write_text("{}")
    with pytest.raises(ConfigError) as caught:
        Registry(registry.root).history("OrderPlaced")
    assert caught.value.where == str(path)


def test_what_is_no_part_of_the_registry_is_told(registry: Registry) -> None:
    """A record outside an event's folder would count for nothing: it is a problem, a README is none."""
    top = registry.folder("OrderPlaced").parent
    (top / "README.md").write_text("what lies here")
    (top / "OrderPlaced-1.0.0.json").write_text("{}")
    assert [one.where for one in registry.problems()] == [str(top / "OrderPlaced-1.0.0.json")]


def test_shipped_events_are_recorded_in_one_place(registry: Registry, tmp_path: Path) -> None:
    """Shipped records are read from the reference project, whatever copies a project has; it writes none."""
    shipped = Registry(tmp_path / "reference")
    shipped.write(record(event="Shipped"))
    registry.write(record("7.0.0", event="Shipped"))
    both = Registry(registry.root, tmp_path / "reference", ["Shipped"])
    assert both.events() == ("OrderPlaced", "OrderShipped", "Shipped")
    assert both.get("Shipped").version == Version.parse("1.0.0")
    assert both.owns("OrderPlaced")
    assert not both.owns("Shipped")
    with pytest.raises(ConfigError, match="shipped event"):
        both.write(record("1.1.0", event="Shipped"))
    assert Registry(tmp_path / "reference", tmp_path / "reference", ["Shipped"]).owns("Shipped")


def test_a_project_has_begun_with_its_own_first_record(tmp_path: Path) -> None:
    """Shipped records are no sign that this project records versions; an empty folder is none either."""
    Registry(tmp_path / "reference").write(record(event="Shipped"))
    mine = Registry(tmp_path / "mine", tmp_path / "reference", ["Shipped"])
    (tmp_path / "mine" / "config" / "schemas" / "Empty").mkdir(parents=True)
    Registry(tmp_path / "mine").write(record(event="Shipped"))  # a copy of the reference project's files
    assert not mine.begun
    assert mine.shipped_begun
    mine.write(record())
    assert mine.begun


def test_reading_a_file_names_it(tmp_path: Path) -> None:
    """A record that is not there, or is a folder, is an error with its place."""
    for path in (tmp_path / "E" / "1.0.0.json", tmp_path):
        with pytest.raises(ConfigError) as caught:
            read_record(path)
        assert caught.value.where == str(path)
