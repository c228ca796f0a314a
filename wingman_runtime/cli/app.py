"""The command tree, and what holds for every command: errors, exit codes, interruption.

1. Moves ``--json`` and ``--project`` from before the noun to behind the verb, where they are declared.
2. Turns an error into one message on stderr and its exit code; a traceback only with ``WINGMAN_DEBUG=1``.
3. Ends quietly when the reader of stdout is gone, and with 130 on Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from wingman_runtime import __version__
from wingman_runtime.cli.out import complain
from wingman_runtime.errors import WingmanError

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
    ("doctor", "doctor:doctor", "Say what is missing or wrong on this machine and in this project."),
    ("worker", "worker:worker", "Run a worker process."),
    ("submit", "submit:submit", "Hand in a request."),
    ("request", "request:app", "Look at requests, wait for them, cancel them."),
    ("approval", "approval:app", "Look at approvals and vote."),
    ("pause", "control:pause", "Hold work back."),
    ("resume", "control:resume", "Let held work go on."),
    ("status", "control:status", "Say what runs, what waits and what is held."),
    ("audit", "audit:app", "Read, verify and export the audit trail."),
    ("policy", "policy:app", "Check, test, explain and activate policies."),
    ("flow", "flow:app", "Check and draw flows."),
    ("agent", "agent:app", "Look at agents."),
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
        words = _global_last(arguments)
        code = build(words[0] if words else "")(words)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except WingmanError as error:
        _debug(error)
        complain(str(error), as_json=as_json, error=error)
        return error.exit_code
    except CycloptsError as error:
        complain(f"{error}\n  → see `wingman --help`, or --help behind a command", as_json=as_json)
        return 2
    except KeyboardInterrupt:
        complain("interrupted", as_json=as_json)
        return INTERRUPTED
    except BrokenPipeError:
        # `wingman audit tail | head`: the reader has seen enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        _debug(error)
        complain(
            f"internal error: {type(error).__name__}: {error}\n"
            "  → this is a bug; WINGMAN_DEBUG=1 shows the traceback to report with it",
            as_json=as_json,
        )
        return 1


def _debug(error: Exception) -> None:
    if os.environ.get("WINGMAN_DEBUG") == "1":
        raise error


def _global_last(arguments: Sequence[str]) -> list[str]:
    rest = list(arguments)
    moved: list[str] = []
    while rest and rest[0].split("=")[0] in {"--json", "--project"}:
        option = rest.pop(0)
        moved.append(option)
        if option == "--project" and rest:
            moved.append(rest.pop(0))
    return [*rest, *moved] if rest else list(arguments)
