"""``--security-opt``: profiles are read here, the daemon gets their content."""

from __future__ import annotations

from pier.errors import InvalidArgument


def security_options(options: list[str]) -> tuple[list[str], bool]:
    """The options for the daemon, and whether system paths are left unmasked. Raises InvalidArgument."""
    kept: list[str] = []
    unmasked = False
    for option in options:
        if option == "systempaths=unconfined":
            unmasked = True
            continue
        name, separator, value = option.partition("=" if "=" in option else ":")
        if not separator and name != "no-new-privileges":
            raise InvalidArgument(f'Invalid --security-opt: "{option}"')
        if name == "seccomp" and value not in ("unconfined", "builtin"):
            option = f"seccomp={_profile(value)}"
        kept.append(option)
    return kept, unmasked


def capabilities(names: list[str]) -> list[str]:
    """Full names, each once, sorted."""
    return sorted({_full_name(name) for name in names})


def _full_name(name: str) -> str:
    upper = name.strip().upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"


def _profile(path: str) -> str:
    from pier.client.jsontext import decode, encode

    try:
        with open(path, encoding="utf-8") as file:
            return encode(decode(file.read()))
    except OSError as error:
        reason = f"open {path}: {(error.strerror or '').lower()}"
        raise InvalidArgument(f"opening seccomp profile ({path}) failed: {reason}") from error
    except ValueError as error:
        raise InvalidArgument(f"compacting json for seccomp profile ({path}) failed: {error}") from error
