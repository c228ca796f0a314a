"""The walkable graph: a static site out of a project's graph, and a live view of the same site."""
