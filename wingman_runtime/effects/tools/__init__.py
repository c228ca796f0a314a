"""The tools that ship with the runtime; loaded like a project's own."""
