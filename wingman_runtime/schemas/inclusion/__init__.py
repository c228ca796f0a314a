"""Inclusion of JSON Schemas: is there a document that the writer admits and the reader refuses?

Read in this order: `check`, `compiler` (schema to `formula`), `search`, then one file for each type.
"""
