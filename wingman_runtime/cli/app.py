"""The command tree, and what holds for every command: errors, exit codes, interruption.

1. Moves ``--json`` and ``--project`` from before the noun to behind the verb, where they are declared.
2. Turns an error into one message on stderr and its exit code; a traceback only with ``WINGMAN_DEBUG=1``.
3. Ends quietly when the reader of stdout is gone, and with 130 on Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from collections.abc import Sequence

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError, UnusedCliTokensError

from wingman_runtime import __version__
from wingman_runtime.cli.logs import logs_to_stderr
from wingman_runtime.cli.out import complain
from wingman_runtime.errors import UsageError, WingmanError

INTERRUPTED = 130
_EPILOGUE = """\
Every command takes --project DIR and --json; COMMAND --help has examples.
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 still pending,
6 conflict, 7 server unreachable, 130 interrupted.
"""

COMMANDS = (
    ("demo", "demo:demo", "Run every kind of outcome for real, in a throw-away project."),
    ("dev", "dev:dev", "Server and workers in one terminal, live, saying what to type next."),
    ("init", "init:init", "Make a project."),
    ("check", "check:check", "Check all there is to check of a project, in one report."),
    ("generate", "generate:generate", "Write events, agents, a flow and tests from domain models."),
    ("doctor", "doctor:doctor", "Say what is missing or wrong on this machine and in this project."),
    ("worker", "worker:worker", "Run a worker process."),
    ("submit", "submit:submit", "Hand in a request."),
    ("request", "request:app", "Look at requests, wait for them, cancel them."),
    ("approval", "approval:app", "Look at approvals and vote."),
    ("schedule", "schedule:app", "Look at schedules, fire one by hand, hold one."),
    ("pause", "control:pause", "Hold work back."),
    ("halt", "halt:halt", "Stop work, so that nothing new begins, and say what had."),
    ("resume", "control:resume", "Let held work go on."),
    ("status", "control:status", "Say what runs, what waits and what is held."),
    ("reconcile", "reconcile:reconcile", "Look for what should never happen, and mend it."),
    ("dlq", "dlq:app", "Look at dead letters, replay or discard them."),
    ("audit", "audit:app", "Read, verify and export the audit trail."),
    ("policy", "policy:app", "Check, test, explain and activate policies."),
    ("flow", "flow:app", "Check and draw flows."),
    ("docs", "docs:app", "Describe the project, by a map to walk in, its graph, AsyncAPI or Mermaid."),
    ("schema", "schema:app", "Check the schemas of events, release a version, see what changed."),
    ("agent", "agent:app", "Look at agents, begin one."),
    ("event", "event:app", "Begin an event."),
    ("contract", "contract:app", "Look at what consumers read, check it, record it."),
    ("config", "config:app", "Look at settings and check the project."),
)


def build(chosen: str = "") -> App:
    """The tree. A command's module is imported when the command is used.

    Args:
        chosen: the command that was typed: its help is its docstring. The others get one line, so that
            listing them imports none.
    """
    app = App(
        name="wingman",
        help="Governed multi-agent work on Redis Streams: allowed, recorded, stoppable, undoable.",
        version=__version__,
        help_format="plaintext",
        help_epilogue=_EPILOGUE,
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
        default_parameter=Parameter(show_default=lambda value: value or None),
    )
    for name, place, about in COMMANDS:
        texts = {} if name == chosen else {"help": about}
        app.command(f"wingman_runtime.cli.{place}", name=name, **texts)
    app.register_install_completion_command()
    return app


def run(arguments: Sequence[str]) -> int:
    """One command; returns the exit code."""
    as_json = "--json" in arguments
    try:
        words = _global_last(_text(arguments))
        logs_to_stderr(words[0] if words else "", as_json=as_json)
        code = build(words[0] if words else "")(words)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except WingmanError as error:
        return _told(error, error, as_json)
    except CycloptsError as error:
        hint = _for_unused(error) or f"see `{' '.join(['wingman', *_command(arguments)])} --help`"
        return _told(error, UsageError(" ".join(str(error).split()), hint=hint), as_json)
    except KeyboardInterrupt:
        complain(InterruptedByPersonError("interrupted"), as_json=as_json)
        return INTERRUPTED
    except BrokenPipeError:
        # `wingman audit tail | head`: the reader has seen enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _told(error, _of_the_system(error), as_json)
    except Exception as error:
        hint = "this is a bug; WINGMAN_DEBUG=1 shows the traceback to report with it"
        told = WingmanError(f"internal error: {type(error).__name__}: {error}", hint=hint)
        return _told(error, told, as_json)


class InterruptedByPersonError(WingmanError):
    """Ctrl-C, in the shape of every other error."""

    exit_code = INTERRUPTED


def _told(error: Exception, said: WingmanError, as_json: bool) -> int:
    if os.environ.get("WINGMAN_DEBUG") == "1":
        raise error
    complain(said, as_json=as_json)
    return said.exit_code


def _for_unused(error: CycloptsError) -> str:
    """How a parameter is given, for who wrote ``name=value`` alone; empty for anything else."""
    words = (error.unused_tokens or []) if isinstance(error, UnusedCliTokensError) else []
    pair = next((word for word in words if "=" in word and not word.startswith("-")), "")
    return f"a parameter needs -p before it, each its own: -p {shlex.quote(pair)}" if pair else ""


def _of_the_system(error: OSError) -> WingmanError:
    """No right, no room, no such folder: not our bug, and the file says which."""
    hint = "see that the disk has room and that this user may read and write there"
    return WingmanError(
        f"{type(error).__name__}: {error.strerror or error}",
        where=str(error.filename) if error.filename is not None else None,
        hint=hint,
    )


def _text(arguments: Sequence[str]) -> Sequence[str]:
    """The arguments; bytes that are no UTF-8 would fail later and further from their place."""
    for number, word in enumerate(arguments, 1):
        try:
            word.encode()
        except UnicodeEncodeError as problem:
            byte = ord(word[problem.start]) - 0xDC00
            raise UsageError(
                f"byte 0x{byte & 0xFF:02x} is not UTF-8",
                where=f"argument {number}, {word.encode(errors='replace').decode()[:60]!r}",
                hint="type it in a UTF-8 terminal, or put it into a file and use --params @FILE",
            ) from None
    return arguments


def _command(arguments: Sequence[str]) -> list[str]:
    """The words of the command that was meant, as far as they name one."""
    words = [word for word in arguments if not word.startswith("-")]
    for name, place, _ in COMMANDS:
        if words[:1] == [name]:
            if not place.endswith(":app"):
                return words[:1]
            group = importlib.import_module(f"wingman_runtime.cli.{place.removesuffix(':app')}").app
            return words[:2] if len(words) > 1 and words[1] in set(group) else words[:1]
    return []


def _global_last(arguments: Sequence[str]) -> list[str]:
    rest = list(arguments)
    moved: list[str] = []
    while rest and rest[0].split("=")[0] in {"--json", "--project"}:
        option = rest.pop(0)
        moved.append(option)
        if option == "--project" and rest:
            moved.append(rest.pop(0))
    return [*rest, *moved] if rest else list(arguments)
