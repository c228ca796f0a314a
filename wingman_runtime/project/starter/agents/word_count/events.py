"""Events of this agent. Each says what it means; the runtime refuses one that does not."""

from wingman_runtime.sdk import EventContract, EventModel, Primitive


class WordsCounted(EventModel):
    words: int
    contract = EventContract(
        purpose="how many words the request wants to send",
        primitives=(Primitive.AUDIT_STAMP,),
        failure="nobody waits for it; the request goes on",
        rollback="nothing was applied, so there is nothing to undo",
        audit="the number",
    )
