"""A command line to settings (pure), as pflag reads it: ``--flag value``, ``--flag=value``, ``-fvalue``, ``-Dl x``."""

from collections.abc import Sequence
from typing import Any, Final

from pier.daemon.settings import SETTINGS, Setting
from pier.errors import InvalidArgument

_LONG: Final = {setting.long: setting for setting in SETTINGS}
_SHORT: Final = {setting.short: setting for setting in SETTINGS if setting.short}
_REFUSED: Final = {
    "containerd": "there is no containerd: pierd drives conmon and an OCI runtime itself",
    "userns-remap": "user namespaces are chosen for each container, with --userns",
    "rootless": "pierd runs as root",
    "authorization-plugin": "there are no plugins",
    "seccomp-profile": "profiles are chosen for each container, with --security-opt seccomp=FILE",
    "no-new-privileges": "it is chosen for each container, with --security-opt no-new-privileges",
}


def parse_flags(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the settings that were given, by name: a value, or a tuple of values for those that repeat.

    Raises InvalidArgument with dockerd's text for an unknown flag, a missing or a wrong value, or an argument.
    """
    given: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and len(word) > 2:
            _take_long(word, rest, given)
        elif word.startswith("-") and len(word) > 1 and word != "--":
            _take_short(word, rest, given)
        else:
            raise InvalidArgument('"pierd" accepts no arguments.')
    return given


def _take_long(word: str, rest: list[str], given: dict[str, Any]) -> None:
    name, equals, text = word[2:].partition("=")
    if name in _REFUSED:
        raise InvalidArgument(f"--{name} is not supported: {_REFUSED[name]}")
    setting = _LONG.get(name)
    if setting is None:
        raise InvalidArgument(f"unknown flag: --{name}")
    if not equals:
        if setting.is_switch:
            text = "true"
        elif rest:
            text = rest.pop(0)
        else:
            raise InvalidArgument(f"flag needs an argument: --{name}")
    _store(setting, text, given)


def _take_short(word: str, rest: list[str], given: dict[str, Any]) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        setting = _SHORT.get(letter)
        if setting is None:
            raise InvalidArgument(f"unknown shorthand flag: '{letter}' in {word}")
        if setting.is_switch and not letters.startswith("="):
            _store(setting, "true", given)
            continue
        if not letters and not rest:
            raise InvalidArgument(f"flag needs an argument: '{letter}' in {word}")
        _store(setting, letters.removeprefix("=") if letters else rest.pop(0), given)
        return


def _store(setting: Setting, text: str, given: dict[str, Any]) -> None:
    try:
        value = setting.parse(text)
    except ValueError as error:
        short = f"-{setting.short}, " if setting.short else ""
        raise InvalidArgument(f'invalid argument "{text}" for "{short}--{setting.long}" flag: {error}') from error
    given[setting.name] = (*given.get(setting.name, ()), value) if setting.many else value
