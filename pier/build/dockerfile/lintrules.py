"""The names, descriptions and pages of Docker's build checks (pure), and which of them the ``check`` directive wants.

``# check=skip=RuleA,RuleB;error=true;experimental=RuleC``; ``all`` stands for every rule.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from pier.build.dockerfile.ast import Location, Warning
from pier.build.dockerfile.shell import quoted

_PAGES: Final = "https://docs.docker.com/go/dockerfile/rule/"

RULES: Final = {
    "StageNameCasing": "Stage names should be lowercase",
    "FromAsCasing": "The 'as' keyword should match the case of the 'from' keyword",
    "NoEmptyContinuation": "Empty continuation lines will become errors in a future release",
    "ConsistentInstructionCasing": (
        "All commands within the Dockerfile should use the same casing (either upper or lower)"
    ),
    "DuplicateStageName": "Stage names should be unique",
    "ReservedStageName": "Reserved words should not be used as stage names",
    "JSONArgsRecommended": (
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals"
    ),
    "MaintainerDeprecated": ("The MAINTAINER instruction is deprecated, use a label instead to define an image author"),
    "UndefinedArgInFrom": "FROM command must use declared ARGs",
    "WorkdirRelativePath": (
        "Relative workdir without an absolute workdir declared within the build can have unexpected results "
        "if the base image changes"
    ),
    "UndefinedVar": "Variables should be defined before their use",
    "MultipleInstructionsDisallowed": "Multiple instructions of the same type should not be used in the same stage",
    "LegacyKeyValueFormat": "Legacy key/value format with whitespace separator should not be used",
    "RedundantTargetPlatform": (
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
    ),
    "SecretsUsedInArgOrEnv": "Sensitive data should not be used in the ARG or ENV commands",
    "InvalidDefaultArgInFrom": "Default value for global ARG results in an empty or invalid base image name",
    "FromPlatformFlagConstDisallowed": "FROM --platform flag should not use a constant value",
    "CopyIgnoredFile": "Attempting to Copy file that is excluded by .dockerignore",
    "InvalidDefinitionDescription": (
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. "
        "If this is not intended to be a description comment, add an empty line or comment between the instruction "
        "and the comment."
    ),
    "InvalidBaseImagePlatform": "Base image platform does not match expected target platform",
    "ExposeProtoCasing": "Protocol in EXPOSE instruction should be lowercase",
    "ExposeInvalidFormat": (
        "IP address and host-port mapping should not be used in EXPOSE instruction. "
        "This will become an error in a future release"
    ),
}
_EXPERIMENTAL: Final = frozenset({"CopyIgnoredFile", "InvalidDefinitionDescription"})


class Checks(msgspec.Struct, frozen=True):
    """Which rules are wanted, lower case; ``all`` among them for every one. ``error``: findings fail the build."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def wants(self, rule: str) -> bool:
        if rule in _EXPERIMENTAL and not {"all", rule.lower()} & self.experimental:
            return False
        return not {"all", rule.lower()} & self.skip


def read_checks(directive: str) -> Checks:
    """Raises ValueError for what is no option."""
    values: dict[str, str] = {}
    for field in filter(None, (part.strip() for part in directive.split(";"))):
        key, equals, value = field.partition("=")
        if not equals:
            raise ValueError(f"invalid check option {quoted(field)}")
        if key.strip() not in ("skip", "experimental", "error"):
            raise ValueError(f"unknown check option {quoted(key.strip())}")
        values[key.strip()] = value.strip()
    error = values.get("error", "false")
    if error.lower() not in ("1", "t", "true", "0", "f", "false"):
        raise ValueError(f"failed to parse check option {quoted('error=' + error)}: expected true or false")
    return Checks(_rules(values.get("skip")), _rules(values.get("experimental")), error.lower() in ("1", "t", "true"))


def _rules(listed: str | None) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in (listed or "").split(",") if name.strip())


def warning(rule: str, message: str, location: Location) -> Warning:
    page = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", rule).lower()
    return Warning(rule=rule, message=message, location=location, description=RULES[rule], url=f"{_PAGES}{page}/")


def violation(warnings: Sequence[Warning]) -> str:
    """What a build says that fails for its findings."""
    return "lint violation found for rules: " + ", ".join(_unique(each.rule for each in warnings))


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
