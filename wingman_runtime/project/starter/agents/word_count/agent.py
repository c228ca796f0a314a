"""An agent is one function: an event comes in, an answer goes out. No files, clocks or servers in here."""

from wingman_runtime.sdk import Emit, Event, PermissionsVerified

from .events import WordsCounted


def handle(event: Event[PermissionsVerified]) -> Emit:
    text = str(event.data.request.params.get("text", ""))
    return Emit(WordsCounted(words=len(text.split())))
