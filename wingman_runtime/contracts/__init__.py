"""The dictionary: envelope, events, outcomes, manifests, ports. Pure words; nothing here does I/O."""
