"""The `digits` command: parse, call, one line per error, and what it prints."""

from flows.cli.app import main

__all__ = ["main"]
