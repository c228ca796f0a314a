"""Generation: from domain models with a lifecycle to events, agents, a flow, producers and tests.

What is generated and what is written by hand never share a file; see docs/generate.md.
"""
