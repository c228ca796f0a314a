"""The only hands that touch the world: each tool hangs beside its undo."""
