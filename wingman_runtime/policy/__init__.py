"""The judge with a lawbook and no telephone: bundles of Cedar policies, decisions, lint, tests, explanations.

Nothing here imports a clock, chance, an event loop or a server: a decision is a function of bundle and
question.
"""
