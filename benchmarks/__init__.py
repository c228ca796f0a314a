"""Us beside a peer: the same six hops, the same server settings, the same payload, in the same run.

Read in this order: `server` (a fresh durable one each run), `peer` and `ours` (the contestants), `load` (what
is put on them), `measure` (one run), `report` (medians, ratios, the table). ``python -m benchmarks --help``.
"""
