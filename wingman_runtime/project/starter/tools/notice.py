"""A tool others see the effect of: people answer for it before it runs."""

from wingman_runtime.sdk import ToolContext, tool


@tool(
    "notice.post",
    purpose="put a notice on the board, for everybody to read",
    risk="medium",  # policies/40-handshake.cedar: above low, an approver is asked
    idempotent=True,
    compensation="notice.take_down",
    resource="board:{title}",
)
def post(title: str, text: str, context: ToolContext) -> str:
    path = f"board/{title}.txt"
    context.files.write(path, text.encode())
    return path


@tool("notice.take_down", purpose="undo notice.post", idempotent=True, irreversible=True, undo_only=True)
def take_down(title: str, context: ToolContext) -> bool:
    return context.files.delete(f"board/{title}.txt")
