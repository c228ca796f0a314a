"""Wingman runtime: governed multi-agent orchestration on Redis Streams."""

__version__ = "0.1.0"
