"""Tools of this project. A tool is a function; its typed parameters are checked before it is called."""

from wingman_runtime.sdk import ToolContext, ToolError, tool


@tool(
    "greeting.send",
    purpose="leave a greeting for somebody in the workspace",
    risk="low",  # policies/40-handshake.cedar: low risk needs no person
    idempotent=True,  # doing it twice leaves what doing it once does
    compensation="greeting.take_back",
    resource="greeting:{to}",
)
def send(to: str, text: str, context: ToolContext) -> str:
    path, line = f"greetings/{to}.txt", f"{text}\n".encode()
    if context.files.read(path) not in (None, line):
        raise ToolError(f"{to} has another greeting already")
    context.files.write(path, line)
    return path


@tool("greeting.take_back", purpose="undo greeting.send", idempotent=True, irreversible=True, undo_only=True)
def take_back(to: str, context: ToolContext) -> bool:
    return context.files.delete(f"greetings/{to}.txt")
