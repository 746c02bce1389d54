"""Values as Go's fmt prints them: ``map[a:1 b:2]``, ``[x y]``, ``<nil>``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


PORT_BINDING = {"HostIp", "HostPort"}
"""The one structure inside maps that people print: Go shows its values without names."""


def is_true(value: Any) -> bool:
    """Go's idea of a non-empty value."""
    return bool(value) if isinstance(value, (bool, int, float, str, list, dict)) else value is not None


def go_text(value: Any) -> str:
    """``%v``."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    if isinstance(value, dict):
        if value.keys() == PORT_BINDING:
            return f"{{{value['HostIp']} {value['HostPort']}}}"
        return "map[" + " ".join(f"{key}:{_element(key, value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_text(each) for each in value) + "]"
    return str(value)


def _element(key: str, value: Any) -> str:
    """A port that is published nowhere has a list that is nil, and Go prints that as an empty one."""
    return "[]" if value is None and key.endswith(("/tcp", "/udp", "/sctp")) else go_text(value)


def go_float(value: float) -> str:
    """The shortest text that reads back the same, with Go's exponents from 1e+21 on."""
    text = repr(value)
    if text.endswith(".0"):
        text = text[:-2]
    if "e" not in text and abs(value) >= 1e21:
        text = f"{value:e}"
    return text


def go_quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def go_format(form: str, values: Sequence[Any]) -> str:
    """Go's Sprintf for the verbs that formats use: v s d q t f e g x X c and %%."""
    out: list[str] = []
    index = position = 0
    while position < len(form):
        if form[position] != "%":
            out.append(form[position])
            position += 1
            continue
        end = position + 1
        while end < len(form) and form[end] in "+-# 0123456789.":
            end += 1
        if end >= len(form):
            out.append("%!(NOVERB)")
            break
        options, verb = form[position + 1 : end], form[end]
        position = end + 1
        if verb == "%":
            out.append("%")
        elif index >= len(values):
            out.append(f"%!{verb}(MISSING)")
        else:
            out.append(_verb(options, verb, values[index]))
            index += 1
    return "".join(out)


def _verb(options: str, verb: str, value: Any) -> str:
    if verb in "vst":
        return f"%{options.replace('#', '')}s" % go_text(value)
    if verb == "q":
        return f"%{options}s" % go_quoted(go_text(value))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if verb in "dc" and isinstance(value, int) and number:
        return str(f"%{options}{verb}" % value)
    if verb in "feEgG" and number:
        return str(f"%{options}{verb}" % value)
    if verb in "xX" and isinstance(value, str):
        digits: str = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    if verb in "xX" and number:
        return str(f"%{options}{verb}" % int(value))
    return f"%!{verb}({type(value).__name__}={go_text(value)})"
