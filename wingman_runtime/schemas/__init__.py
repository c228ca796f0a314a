"""Governed schemas: canonical forms, what is compatible with what, versions, and the registry of files."""
