"""The table of settings in ``docs/user/registry.md``; ``python -m pier.registry.reference`` prints it (pure)."""

from pier.registry.configuration import FIELDS, Field


def table() -> str:
    """Markdown: a row for each setting, in the order of their declaration."""
    return "\n".join(["| in the file | flag | default | |", "|---|---|---|---|", *map(_row, FIELDS.values())]) + "\n"


def _row(field: Field) -> str:
    flag = f"`--{field.flag}`" if field.kind else ""
    return f"| `{field.name}` | {flag} | {_default(field)} | {field.help.rstrip('.')}. |".replace("\\", "\\\\")


def _default(field: Field) -> str:
    match field.default:
        case bool():
            return f"`{str(field.default).lower()}`"
        case tuple():
            return ", ".join(f"`{each}`" for each in field.default if isinstance(each, str))
        case int() | str():
            return f"`{field.default}`" if field.default not in ("", None) else ""
    return ""


if __name__ == "__main__":
    print(table(), end="")
