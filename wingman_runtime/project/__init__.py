"""A project on disk: found, mounted, loaded and checked. Nothing here connects to a server."""
