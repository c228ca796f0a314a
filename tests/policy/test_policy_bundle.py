"""Bundles: one digest over every byte, errors at file:line, stored copies that cannot be tampered with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.conftest import Build
from wingman_runtime.errors import PolicyError
from wingman_runtime.policy.bundle import Bundle, digest_of
from wingman_runtime.policy.judge import Judge
from wingman_runtime.policy.load import load_bundle, load_stored
from wingman_runtime.policy.text import statements

contents = st.dictionaries(st.text(min_size=1, max_size=10), st.binary(max_size=40), min_size=1, max_size=5)


@given(files=contents, data=st.data())
def test_the_digest_changes_with_any_byte(files: dict[str, bytes], data: st.DataObject) -> None:
    """A byte more, a byte changed, a file renamed or added: another digest."""
    before = digest_of(files)
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[name])))
    raw = files[name]
    assert digest_of({**files, name: raw[:at] + b"x" + raw[at:]}) != before
    if raw:
        flipped = bytes([raw[0] ^ 1]) + raw[1:]
        assert digest_of({**files, name: flipped}) != before
    assert digest_of({**files, name + "\x00more": b""}) != before
    assert digest_of(dict(reversed(files.items()))) == before


def test_every_file_counts(lawbook: Path, build: Build) -> None:
    """Policies, schema and principals are all part of the digest; test cases are not."""
    seen = {build().digest}
    for path in (*(lawbook / "policies").glob("*.cedar*"), lawbook / "principals.yaml"):
        comment = "\n# x\n" if path.suffix == ".yaml" else "\n// x\n"
        path.write_text(path.read_text() + comment)
        seen.add(build().digest)
    assert len(seen) == 1 + len(list((lawbook / "policies").glob("*.cedar*"))) + 1
    (lawbook / "policies" / "tests" / "60-audit.yaml").write_text("")
    assert build().digest in seen


def test_a_stored_bundle_judges_like_the_original(reference: Bundle, tmp_path: Path) -> None:
    """Saved under its digest, found by it, also while the project's files are being edited."""
    folder = reference.save(tmp_path)
    assert folder.name == reference.digest.removeprefix("sha256:")
    again = load_stored(tmp_path, reference.digest)
    assert again.digest == reference.digest
    assert again.files == reference.files
    assert Judge(again).can_emit("audit", "AuditStamped", "f").allow
    assert reference.save(tmp_path) == folder


@pytest.mark.parametrize("how", ["edit", "add", "delete"])
def test_a_tampered_store_is_refused(reference: Bundle, tmp_path: Path, how: str) -> None:
    """Edited, added or deleted files are noticed at load, and saving again repairs the copy."""
    folder = reference.save(tmp_path)
    victim = folder / "50-execute.cedar"
    if how == "edit":
        victim.write_bytes(victim.read_bytes() + b"\n")
    elif how == "add":
        (folder / "99-mine.cedar").write_text("permit (principal, action, resource);")
    else:
        victim.unlink()
    with pytest.raises(PolicyError, match="changed"):
        load_stored(tmp_path, reference.digest)
    reference.save(tmp_path)
    assert load_stored(tmp_path, reference.digest).digest == reference.digest


@pytest.mark.parametrize(
    "name", ["../../etc", "sha256:..", "sha256:" + "0" * 63, "", "sha256:" + "0" * 64 + "\n"]
)
def test_a_digest_from_outside_cannot_name_a_path(tmp_path: Path, name: str) -> None:
    """What is no digest is refused before it becomes part of a path."""
    with pytest.raises(PolicyError, match="not a bundle digest"):
        load_stored(tmp_path, name)


def test_what_is_not_stored_is_said_so(tmp_path: Path) -> None:
    """A digest nobody saved is an error that says so."""
    with pytest.raises(PolicyError, match="not stored"):
        load_stored(tmp_path, "sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("95-x.cedar", "// c\n\npermit (principal,\n  action resource);", 4, "unexpected token"),
        ("95-x.cedar", '@id("a;b") // ;\npermit (principal, action, resource)\nwhen { foo };', 3, "foo"),
        ("95-x.cedar", "\npermit (principal == ?principal, action, resource);", 2, "templates"),
        ("95-x.cedarschema", "namespace Own {\n  entity A in [Zed];\n}", 2, "Zed"),
        (
            "95-x.cedar",
            '\n@id("t") forbid (principal is Wingman::User, action, resource is Wingman::Tool)\n'
            'when { resource.risk == "high" };',
            2,
            "optional attribute `risk`",
        ),
        ("60-audit.cedar", '\n@id("audit-stamps") permit (principal, action, resource);', 7, "is taken by"),
        ("95-x.cedar", 'permit (principal in Wingman::Rolle::"x", action, resource);', 1, "Rolle"),
    ],
)
def test_a_broken_file_is_refused_at_its_line(
    build: Build, name: str, text: str, line: int, message: str
) -> None:
    """Syntax, templates, schema, unguarded attributes and repeated ids stop the load, at file:line."""
    with pytest.raises(PolicyError, match=message) as caught:
        build(name, text)
    assert str(caught.value.where).endswith(f"{name}:{line}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("alice: {roles: [requester]", "alice: {roles: [requestor]", "did you mean 'requester'"),
        (
            "bob: {roles: [approver], tenants: [demo]}",
            "bob: {tenants: [demmo]}",
            "not one of the declared tenants",
        ),
        ("mallory: {tenants: [demo]}", "mallory: {tenant: [demo]}", "tenant"),
        ("suspended: true", "suspended: maybe", "does not fit the schema"),
        ("executor: {roles: [tool_runner]}", "executor: {roles: [root]}", "not one of the declared roles"),
    ],
)
def test_principals_are_checked_with_their_lines(
    lawbook: Path, build: Build, old: str, new: str, message: str
) -> None:
    """A role, tenant or attribute nobody declared is refused where it is written."""
    path = lawbook / "principals.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(PolicyError) as caught:
        build()
    assert message in str(caught.value)
    line = text[: text.index(old)].count("\n") + 1
    assert str(caught.value.where).endswith(f"principals.yaml:{line}")


@pytest.mark.parametrize(
    "missing", ["policies/00-always.cedar", "policies/core.cedarschema", "principals.yaml"]
)
def test_without_a_law_there_is_no_judge(lawbook: Path, build: Build, missing: str) -> None:
    """No policies, no schema or no principals: refuse to start, rather than deny in silence."""
    (lawbook / missing).unlink()
    with pytest.raises(PolicyError):
        build()


def test_an_empty_folder_is_refused(tmp_path: Path, lawbook: Path) -> None:
    """A folder without policies is no lawbook."""
    (tmp_path / "none").mkdir()
    with pytest.raises(PolicyError):
        load_bundle(tmp_path / "none", lawbook / "principals.yaml")


def test_teams_pass_their_roles_on(lawbook: Path, build: Build) -> None:
    """A role held through a team counts like one's own."""
    path = lawbook / "principals.yaml"
    text = path.read_text().replace("mallory: {tenants: [demo]}", "mallory: {tenants: [demo], teams: [desk]}")
    path.write_text(text + "\nteams:\n  desk: {roles: [approver, requester]}\n")
    judge = Judge(build())
    assert judge.roles_of("mallory") == ("approver", "requester")
    assert judge.roles_of("nobody") == ()
    assert judge.roles() == ("approver", "requester", "tool_runner")


def test_statements_are_cut_where_cedar_cuts_them(reference: Bundle) -> None:
    """Semicolons in strings and comments are no ends; lines are those of the first token."""
    text = (
        '// a;\n@id("x;\\"y")\npermit (principal, action, resource); // b;\n'
        "\nforbid (principal,\n action, resource);"
    )
    assert [one.line for one in statements(text)] == [2, 5]
    assert all(rule.text.endswith(";") for rule in reference.rules())
