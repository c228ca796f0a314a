"""The audit trail outside Redis: recorder, append-only store, hash chain, verification, queries, tree."""
