"""The hosts a project lists: written short or long, shown, and refused with their place when wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from wingman_runtime.errors import ConfigError
from wingman_runtime.settings import Settings


def configure(root: Path, text: str) -> Path:
    (root / "config").mkdir(exist_ok=True)
    (root / "config" / "wingman.yaml").write_text("name: tried\n" + text, encoding="utf-8")
    return root


def test_an_entry_is_a_host_or_a_mapping(tmp_path: Path) -> None:
    """A bare host stands for an entry with every permission off."""
    entries = "[api.example.com, {host: '127.0.0.1:8080', private: true, undo: ['/a*']}]"
    text = f"http: {{allow: {entries}}}\n"
    short, long = Settings.load(configure(tmp_path, text)).http.allow
    assert (short.host, short.private, short.idempotency) == ("api.example.com", False, False)
    assert (long.host, long.private, long.undo) == ("127.0.0.1:8080", True, ("/a*",))


def test_nothing_is_listed_by_default_and_the_list_is_shown(tmp_path: Path) -> None:
    """`config show` gives hosts and what they may, not the names of variables."""
    assert Settings.load(configure(tmp_path, "")).http.allow == ()
    text = "http: {allow: [{host: a.test, private: true, secrets: {Authorization: A_TOKEN}}, b.test]}\n"
    rows = {row.path: row.value for row in Settings.load(configure(tmp_path, text)).explain()}
    assert rows["http.allow"] == "a.test (private), b.test"


def test_the_environment_lists_hosts_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It replaces the file's list; lists are not merged."""
    configure(tmp_path, "http: {allow: [a.test]}\n")
    monkeypatch.setenv("WINGMAN_HTTP__ALLOW", '["b.test", {"host": "c.test", "idempotency": true}]')
    assert [one.host for one in Settings.load(tmp_path).http.allow] == ["b.test", "c.test"]


def test_a_certificate_file_starts_at_the_project(tmp_path: Path) -> None:
    """Like every other path."""
    settings = Settings.load(configure(tmp_path, "http: {ca_file: ca.pem}\n"))
    assert settings.http.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    "entry",
    [
        "'https://a.test'",
        "a.test/path",
        "A.test",
        "'a.test:0'",
        "'*'",
        "'[zz::]'",
        "{host: a.test, privat: true}",
        "{host: a.test, secrets: {Authorization: 'Bearer swordfish'}}",
        "{private: true}",
    ],
)
def test_a_wrong_entry_is_located(tmp_path: Path, entry: str) -> None:
    """A scheme, a path, a typo, a secret in the place of a variable's name: refused at the line, unshown."""
    with pytest.raises(ConfigError, match=r"http\.allow") as caught:
        Settings.load(configure(tmp_path, f"http:\n  allow: [{entry}]\n"))
    assert (caught.value.where or "").endswith("config/wingman.yaml:3")
    assert "swordfish" not in str(caught.value)
