"""A tree tells how many policies merely do not apply, and which ones when asked or when that refused it."""

from wingman_runtime.ledger.tree import Judgement, describe_judgement

IDLE = ("low-risk does not apply: risk is medium", "records does not apply: intent is notice.post")


def test_policies_that_do_not_apply_are_counted() -> None:
    """Several are a number; one is named, and all are when asked for."""
    judged = Judgement(False, "approve", "Agent::handshake", "Plan::p", "40", ("low-risk", "records"), IDLE)
    assert describe_judgement(judged, brief=True).endswith(": 2 policies do not apply")
    assert "records does not apply: intent" in describe_judgement(judged)
    one = Judgement(False, "approve", "Agent::handshake", "Plan::p", "40", ("low-risk",), IDLE[:1])
    assert "risk is medium" in describe_judgement(one, brief=True)
