"""``pier registry serve`` knows the registry's settings, which it may not import."""

from pier.cli.commands.registry import SERVE
from pier.registry.configuration import FIELDS


def test_each_setting_has_its_flag() -> None:
    flags = {flag.name: (flag.kind, flag.help) for flag in SERVE.flags if flag.name != "config"}
    assert flags == {field.flag: (field.kind, field.help) for field in FIELDS.values() if field.kind}


def test_flags_show_the_defaults() -> None:
    shown = {flag.name: flag.default for flag in SERVE.flags}
    defaults = {field.flag: field.default for field in FIELDS.values() if field.kind in ("int", "string", "bool")}
    assert {name: shown[name] for name, value in defaults.items() if value} == {
        name: value for name, value in defaults.items() if value
    }
