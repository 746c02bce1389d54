"""``pierd --help``, from the settings table (pure)."""

import textwrap

from pier.daemon.settings import SETTINGS, Setting

_COLUMN = 40


def usage() -> str:
    """The whole page, sorted by flag as dockerd sorts it."""
    lines = ["", "Usage:  pierd [OPTIONS]", "", "A container engine with the Docker Engine API.", "", "Options:"]
    for setting in sorted(SETTINGS, key=lambda each: each.long.lower()):
        lines += _lines(setting)
    return "\n".join(lines) + "\n"


def _lines(setting: Setting) -> list[str]:
    short = f"-{setting.short}, " if setting.short else "    "
    left = f"  {short}--{setting.long} {setting.kind}".rstrip()
    text = textwrap.wrap(setting.help + _default(setting), 78 - _COLUMN) or [""]
    return [f"{left:<{_COLUMN - 1}} {text[0]}", *(" " * _COLUMN + line for line in text[1:])]


def _default(setting: Setting) -> str:
    if not setting.default or setting.kind == "bytes":
        return ""
    shown = f'"{setting.default}"' if isinstance(setting.default, str) else str(setting.default).lower()
    return f" (default {shown})"
