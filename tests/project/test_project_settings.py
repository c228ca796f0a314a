"""Settings: layered, typed, and loud about a name nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from wingman_runtime.errors import ConfigError, NotFoundError, UsageError
from wingman_runtime.settings import Settings, setting_paths
from wingman_runtime.settings_layers import env_name


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with an empty-ish configuration, and no WINGMAN_ variable around."""
    for name in (*map(env_name, dict(setting_paths())), "WINGMAN_REDIS_URL", "WINGMAN_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    configure(tmp_path, "name: tried\n")
    return tmp_path


def configure(root: Path, text: str) -> None:
    (root / "config").mkdir(exist_ok=True)
    (root / "config" / "wingman.yaml").write_text(text, encoding="utf-8")


def test_defaults_are_those_of_the_design(project: Path) -> None:
    """Limits, times, retries and admission have the documented defaults."""
    settings = Settings.load(project)
    limits, times = settings.limits, settings.times
    assert (limits.payload_bytes, limits.steps, limits.depth, limits.fan_out, limits.events) == (
        262_144, 50, 16, 16, 256,
    )  # fmt: skip
    assert (times.agent_timeout, times.tool_timeout, times.approval, times.request) == (30, 30, 86400, 604800)
    assert (times.claim_idle, times.grace, times.state_ttl, times.idempotency_ttl) == (60, 20, 604800, 86400)
    assert (settings.retry.attempts, settings.retry.base, settings.retry.cap) == (5, 0.2, 30)
    assert (settings.admission.inbox_lag, settings.admission.recorder_lag) == (100_000, 50_000)
    assert (settings.admission.memory, settings.admission.retry_after) == (0.8, 1)
    worker = settings.worker
    assert (worker.concurrency, worker.batch, worker.batch_bytes) == (64, 100, 2**22)
    assert settings.namespace == "wm"
    assert settings.workspace == project / "workspace"
    assert settings.audit_store == project / ".wingman" / "audit.db"


def test_flags_win_over_environment_over_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same setting in three places: the flag counts, then the variable, then the file."""
    configure(project, "limits: {steps: 10, depth: 5}\n")
    assert Settings.load(project).limits.steps == 10
    monkeypatch.setenv("WINGMAN_LIMITS__STEPS", "20")
    assert Settings.load(project).limits.steps == 20
    flagged = Settings.load(project, limits__steps=30)
    assert flagged.limits.steps == 30
    assert flagged.limits.depth == 5, "a group is merged, not replaced"


def test_explain_names_each_source(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show` says where a value comes from: file and line, variable, flag, or default."""
    configure(project, "name: tried\nlimits:\n  steps: 10\n")
    monkeypatch.setenv("WINGMAN_PARTITIONS", "2")
    sources = {row.path: row.source for row in Settings.load(project, tenant="x").explain()}
    assert sources["limits.steps"].endswith("config/wingman.yaml:3")
    assert sources["partitions"] == "WINGMAN_PARTITIONS"
    assert sources["tenant"] == "flag tenant"
    assert sources["limits.depth"] == "default"


def test_an_unknown_key_is_an_error_at_its_line(project: Path) -> None:
    """A typo in the file is refused with file, line and the name that was probably meant."""
    configure(project, "name: tried\nlimits:\n  stepz: 10\n")
    with pytest.raises(ConfigError, match=r"limits\.stepz") as caught:
        Settings.load(project)
    assert (caught.value.where or "").endswith("config/wingman.yaml:3")
    assert "limits.steps" in (caught.value.hint or "")


def test_an_unknown_variable_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo in a WINGMAN_ variable is refused, not passed over."""
    monkeypatch.setenv("WINGMAN_LIMIT__STEPS", "3")
    with pytest.raises(ConfigError, match="WINGMAN_LIMIT__STEPS") as caught:
        Settings.load(project)
    assert "WINGMAN_LIMITS__STEPS" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "line", "path"),
    [
        ("limits:\n  steps: many\n", 2, "limits.steps"),
        ("name: x\nlimits: 3\n", 2, "limits"),
        ("times:\n  approval: -1s\n", 2, "times.approval"),
        ("durability: maybe\n", 1, "durability"),
        ("namespace: 'Wrong Name'\n", 1, "namespace"),
    ],
)
def test_a_wrong_value_is_located(project: Path, text: str, line: int, path: str) -> None:
    """A value of the wrong type or range names its setting, file and line."""
    configure(project, text)
    with pytest.raises(ConfigError, match=path) as caught:
        Settings.load(project)
    assert (caught.value.where or "").endswith(f"config/wingman.yaml:{line}")


def test_a_wrong_variable_is_located(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value in the environment names the variable, not the file."""
    configure(project, "limits: {steps: 10}\n")
    monkeypatch.setenv("WINGMAN_LIMITS__STEPS", "many")
    with pytest.raises(ConfigError) as caught:
        Settings.load(project)
    assert caught.value.where == "WINGMAN_LIMITS__STEPS"


def test_every_problem_is_listed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`problems` names them all, so that a file is mended in one go."""
    configure(project, "nme: x\nlimits: {steps: many}\n")
    monkeypatch.setenv("WINGMAN_NOPE", "1")
    assert len(Settings.problems(project)) == 3


def test_units_are_understood(project: Path) -> None:
    """Durations and sizes may carry a unit."""
    configure(project, "times: {approval: 2h, claim_idle: 500ms}\nlimits: {payload_bytes: 4MiB}\n")
    settings = Settings.load(project)
    assert (settings.times.approval, settings.times.claim_idle) == (7200, 0.5)
    assert settings.limits.payload_bytes == 4 * 2**20


def test_secrets_are_never_shown(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither printing, explaining nor an error about them shows a password."""
    monkeypatch.setenv("WINGMAN_REDIS_URL", "rediss://user:hunter2@example.test:6380/1")
    monkeypatch.setenv("WINGMAN_REDIS__PASSWORD", "hunter2")
    settings = Settings.load(project)
    assert settings.redis.url is not None
    assert settings.redis.url.get_secret_value().endswith("hunter2@example.test:6380/1")
    shown = repr(settings) + str(settings) + str(settings.explain())
    assert "hunter2" not in shown
    assert "rediss://example.test:6380/1" in shown
    configure(project, "redis: {password: [hunter2]}\n")
    monkeypatch.delenv("WINGMAN_REDIS__PASSWORD")
    assert "hunter2" not in str(Settings.problems(project)[0])


def test_two_names_of_one_setting_may_not_disagree(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WINGMAN_REDIS_URL is a shorthand; a different WINGMAN_REDIS__URL beside it is refused."""
    monkeypatch.setenv("WINGMAN_REDIS_URL", "redis://one")
    monkeypatch.setenv("WINGMAN_REDIS__URL", "redis://two")
    with pytest.raises(ConfigError, match="differ"):
        Settings.load(project)


def test_settings_are_frozen(project: Path) -> None:
    """Nobody changes a limit at run time, on any level."""
    settings = Settings.load(project)
    with pytest.raises(ValidationError):
        settings.partitions = 2  # type: ignore[misc]  # what is tried here
    with pytest.raises(ValidationError):
        settings.limits.steps = 1  # type: ignore[misc]  # what is tried here


def test_the_environment_does_not_leak_into_direct_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Settings(...)` in a test means what it says, whatever the machine's environment."""
    monkeypatch.setenv("WINGMAN_PARTITIONS", "7")
    assert Settings(project=Path("/somewhere")).partitions == 1


def test_no_project_is_not_found(tmp_path: Path) -> None:
    """A folder without configuration says how to get one."""
    with pytest.raises(NotFoundError, match=r"config/wingman\.yaml") as caught:
        Settings.load(tmp_path)
    assert "wingman init" in (caught.value.hint or "")


def test_an_unknown_flag_is_a_usage_error(project: Path) -> None:
    """A flag that is no setting is the caller's mistake."""
    with pytest.raises(UsageError, match=r"limits\.stepz"):
        Settings.load(project, limits__stepz=1)


def test_every_setting_is_documented() -> None:
    """docs/configuration.md has a row for each setting, with its environment variable, and none besides."""
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    rows = {
        line.split("`")[1]: line
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and "| `WINGMAN_" in line.removeprefix("| `WINGMAN_")
    }
    assert set(rows) == {path for path, _ in setting_paths()}
    for path, row in rows.items():
        assert f"`{env_name(path)}`" in row
