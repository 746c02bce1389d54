"""The table of settings in ``docs/user/pierd.md``; ``python -m pier.daemon.reference`` prints it (pure)."""

from pier.daemon.settings import SETTINGS, Setting


def table() -> str:
    """Markdown: a row for each setting, in the order of the settings' table."""
    head = ["| flag | in `daemon.json` | default | |", "|---|---|---|---|"]
    return "\n".join(head + [_row(setting) for setting in SETTINGS]) + "\n"


def _row(setting: Setting) -> str:
    short = f"`-{setting.short}` " if setting.short else ""
    key = "" if setting.flag_only else f"`{setting.name}`"
    reload = " *Reloadable.*" if setting.reloadable else ""
    text = f"{setting.help.rstrip('.')}.{reload}".replace("|", "\\|")
    return f"| {short}`--{setting.long}` | {key} | {_default(setting)} | {text} |"


def _default(setting: Setting) -> str:
    if setting.is_switch:
        return f"`{str(setting.default).lower()}`"
    return f"`{setting.default}`" if setting.default else ""


if __name__ == "__main__":
    print(table(), end="")
