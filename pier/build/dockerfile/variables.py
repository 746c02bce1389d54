"""Which value a name has where (pure): arguments of the build, of the file, of the stage, and the environment."""

from collections.abc import Mapping
from typing import Final

from pier.build.dockerfile.ast import Dockerfile, Location
from pier.build.dockerfile.fault import Fault
from pier.build.dockerfile.shell import ExpansionError, expand, expand_words

PROXIES: Final = (
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
)
"""Arguments that every RUN has without an ARG, and that change nothing of what it makes."""
_MOST: Final = 32 << 20

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def proxies(build_args: Mapping[str, str]) -> tuple[str, ...]:
    """As ``NAME=value``."""
    return tuple(f"{name}={build_args[name]}" for name in PROXIES if name in build_args)


class Expander:
    """Expands the words of one file; what fails is a Fault of the instruction at ``location``.

    So is more of them than anybody needs: a few lines can ask for more than there is memory.
    """

    def __init__(self, dockerfile: Dockerfile) -> None:
        self._dockerfile = dockerfile
        self._made = 0

    def word(self, word: str, variables: Mapping[str, str], location: Location, *, raw: bool = False) -> str:
        try:
            return self._counted(expand(word, variables, self._dockerfile.escape, raw=raw).text, word, location)
        except ExpansionError as error:
            raise self.fault(str(error), location) from error

    def words(self, word: str, variables: Mapping[str, str], location: Location) -> list[str]:
        try:
            words = expand_words(word, variables, self._dockerfile.escape)
            self._counted("".join(words), word, location)
            return words
        except ExpansionError as error:
            raise self.fault(str(error), location) from error

    def _counted(self, made: str, word: str, location: Location) -> str:
        self._made += max(len(made) - len(word), 0)
        if self._made > _MOST:
            raise self.fault(f"the variables of the Dockerfile expand to more than {_MOST} characters", location)
        return made

    def fault(self, reason: str, location: Location | None) -> Fault:
        return Fault(reason, location, self._dockerfile.sources)


def global_variables(
    dockerfile: Dockerfile, build_args: Mapping[str, str], automatic: Mapping[str, str]
) -> dict[str, str]:
    """What FROM may use, and what an ARG of the same name without a value gets in a stage."""
    expander = Expander(dockerfile)
    found = {name: build_args.get(name, value) for name, value in automatic.items()}
    for instruction in dockerfile.args:
        fresh: dict[str, str] = {}
        for pair in instruction.pairs:
            name = expander.word(pair.name, found, instruction.location)
            if name in build_args:
                fresh[name] = build_args[name]
            elif pair.value is not None:
                fresh[name] = expander.word(pair.value, {**found, **fresh}, instruction.location)
        found.update(fresh)
    return found
