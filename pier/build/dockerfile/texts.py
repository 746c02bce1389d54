"""The texts that a build leaves behind: history's ``created_by`` and the names of steps (pure).

Clients and tools read them, so they are as BuildKit's, down to how Go prints lists.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pier.build.dockerfile.ast import Healthcheck, Heredoc, Transfer
from pier.build.dockerfile.shell import quoted, visible
from pier.oci.image import Healthcheck as ImageHealthcheck

_SECOND: Final = 1_000_000_000
_RUNES: Final = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 39: "\\'", 92: "\\\\"}


def quoted_list(words: Iterable[str]) -> str:
    """``["a" "b c"]``"""
    return "[" + " ".join(quoted(word) for word in words) + "]"


def plain_list(words: Iterable[str]) -> str:
    """``[a b c]``"""
    return "[" + " ".join(words) + "]"


def run_text(args: Sequence[str], arguments: Sequence[tuple[str, str]], variables: Mapping[str, str]) -> str:
    """``RUN |1 A=b /bin/sh -c make # buildkit``"""
    shown = [f"{name}={variables.get(name, value)}" for name, value in arguments]
    count = [f"|{len(shown)}"] if shown else []
    return " ".join(["RUN", *count, *shown, *args, "# buildkit"])


def transfer_text(keyword: str, instruction: Transfer, sources: Sequence[str], dest: str) -> str:
    """``COPY --chown=web src /dst # buildkit``: where the sources are from is not told."""
    flags = [f"--chown={instruction.chown}"] if instruction.chown else []
    if instruction.chmod:
        flags.append(f"--chmod={instruction.chmod}")
    return " ".join([keyword, *flags, *sources, dest, "# buildkit"])


def classic_text(step: str) -> str:
    """How the classic builder marks what runs nothing."""
    return f"/bin/sh -c #(nop) {step}"


def classic_run_text(shown: str) -> str:
    """``shown`` is :func:`run_text`'s: the classic builder has the bare command."""
    return shown.removeprefix("RUN ").removesuffix(" # buildkit")


def classic_transfer_text(keyword: str, instruction: Transfer, sources: Sequence[str], dest: str) -> str:
    """``COPY a b in /dst ``: Docker has a digest in the place of the names, which is not known before it is copied."""
    shown = transfer_text(keyword, instruction, [*sources, "in"], dest)
    return classic_text(shown.removesuffix("# buildkit"))


def expose_text(ports: Iterable[str]) -> str:
    return "EXPOSE map[" + " ".join(f"{port}:{{}}" for port in sorted(ports)) + "]"


def health_text(health: ImageHealthcheck) -> str:
    times = (health.interval, health.timeout, health.start_period, health.start_interval)
    shown = " ".join(f'"{duration(each)}"' for each in times)
    return f"HEALTHCHECK &{{{quoted_list(health.test)} {shown} {_rune(health.retries)}}}"


def duration(nanoseconds: int) -> str:
    """As Go prints it: ``1h0m0s``, ``1m30s``, ``1.5s``, ``100ms``."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000 and size * 1000 <= _SECOND:
            return f"{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * _SECOND)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, _SECOND)}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    if not rest:
        return str(whole)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0")


def _rune(number: int) -> str:
    """How Go quotes a number as a character."""
    if number in _RUNES:
        return f"'{_RUNES[number]}'"
    if not 0 <= number <= 0x10FFFF or 0xD800 <= number < 0xE000:
        return "'\N{REPLACEMENT CHARACTER}'"
    if chr(number).isprintable():
        return f"'{chr(number)}'"
    return f"'\\x{number:02x}'" if number < 0x80 else f"'\\u{number:04x}'"


def heredoc_summary(heredoc: Heredoc) -> str:
    """The first line of what is run: ``(make...)``."""
    lines = heredoc.content.strip().split("\n")
    return f" ({lines[0]}{'...' if len(lines) > 1 else ''})"


def health_of(instruction: Healthcheck, test: list[str]) -> ImageHealthcheck:
    return ImageHealthcheck(
        test=test,
        interval=instruction.interval,
        timeout=instruction.timeout,
        start_period=instruction.start_period,
        start_interval=instruction.start_interval,
        retries=instruction.retries,
    )


class StepNames:
    """Names the steps of one stage: ``[linux/arm64 build 2/5] RUN make``.

    ``platform`` is empty unless there are several; ``total`` counts the steps that change the file system.
    """

    def __init__(self, platform: str, stage: str, total: int) -> None:
        self._prefix = "".join(f"{part} " for part in (platform, stage) if part)
        self._total = total
        self._count = 0

    def next(self, text: str, variables: Mapping[str, str], escape: str) -> str:
        self._count += 1
        width = len(str(self._total))
        return f"[{self._prefix}{self._count:{width}d}/{self._total}] {visible(text, variables, escape)}"
