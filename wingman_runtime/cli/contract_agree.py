"""``wingman contract consent`` and ``sign-off``: what a consumer's owner agrees to, put on record."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.out import note

Consumer = Annotated[str, Parameter(help="An agent's name, or another team's service.")]
Event = Annotated[str, Parameter(help="The event type.")]
By = Annotated[str, Parameter(help="Who says so.")]
Reason = Annotated[str, Parameter(help="Why; it stands in the contract.")]


def consent(
    consumer: Consumer,
    event: Event,
    major: Annotated[int, Parameter(help="The major version it is ready for.")],
    /,
    *,
    by: By,
    reason: Reason,
    common: Common = DEFAULT,
) -> int:
    """Say that a consumer is ready for a major of an event before its recorded contract reads it.

    For example

        wingman contract consent billing OrderPlaced 2 --by bo \\
            --reason "2.3.0 reads it, out on Monday"
    """
    from wingman_runtime.cli.contract import contracts_of
    from wingman_runtime.schemas.contract import Consent, made

    given = made(Consent, major=major, by=by, reason=reason, on=date.today())
    contracts = contracts_of(common)
    contracts.agree(consumer, event, given)
    _say(common, contracts.root, consumer)
    note(f"{consumer} is ready for {event} {major}.x")
    return 0


def sign_off(
    consumer: Consumer,
    event: Event,
    path: Annotated[str, Parameter(help="The field, as a JSON Pointer: /note, /lines/*/price.")],
    /,
    *,
    until: Annotated[date, Parameter(help="The last day on which it must be there, as 2027-01-31.")],
    by: By,
    reason: Reason,
    common: Common = DEFAULT,
) -> int:
    """Say that a field which a consumer reads may be gone after a day: its deprecation, signed off.

    For example

        wingman contract sign-off billing OrderPlaced /note --until 2027-01-31 \\
            --by bo --reason "unused"
    """
    from wingman_runtime.cli.contract import contracts_of
    from wingman_runtime.schemas.contract import SignOff, made

    signed = made(SignOff, event=event, path=path, until=until, by=by, reason=reason)
    contracts = contracts_of(common)
    contracts.agree(consumer, event, signed)
    _say(common, contracts.root, consumer)
    note(f"{path} of {event} may be gone for {consumer} after {until}")
    return 0


def _say(common: Common, root: Path, consumer: str) -> None:
    from wingman_runtime.schemas.contract import contract_file
    from wingman_runtime.yamlfile import shown

    common.out().fields({"consumer": consumer, "file": shown(contract_file(root, consumer))})
