"""Docker's build checks: the rules' names and the words of their findings are the documented ones."""

import pytest

from pier.build.dockerfile.fault import SyntaxFault
from pier.build.dockerfile.lint import Base, checks_of, lint
from pier.build.dockerfile.lintrules import RULES, Checks, violation
from pier.build.dockerfile.parse import parse

ALL = Checks(experimental=frozenset({"all"}))
B = "FROM scratch\n"

CASES = [
    ("FROM a AS Base\n", "StageNameCasing", 1, "Stage name 'Base' should be lowercase"),
    ("FROM a as b\n", "FromAsCasing", 1, "'as' and 'FROM' keywords' casing do not match"),
    (B + "RUN a \\\n\n b\n", "NoEmptyContinuation", 2, "Empty continuation line"),
    (
        B + "run a\n",
        "ConsistentInstructionCasing",
        2,
        "Command 'run' should match the case of the command majority (uppercase)",
    ),
    (
        "from a\nrun b\nRun c\n",
        "ConsistentInstructionCasing",
        3,
        "Command 'Run' should match the case of the command majority (lowercase)",
    ),
    ("FROM a AS b\nFROM c AS b\n", "DuplicateStageName", 2, 'Duplicate stage name "b", stage names should be unique'),
    (
        "FROM a AS scratch\n",
        "ReservedStageName",
        1,
        'Stage name should not use the same name as reserved stage "scratch"',
    ),
    (
        B + "CMD a\n",
        "JSONArgsRecommended",
        2,
        "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
    ),
    (
        B + "MAINTAINER a\n",
        "MaintainerDeprecated",
        2,
        "Maintainer instruction is deprecated in favor of using label",
    ),
    (
        "ARG VERSION=1\nFROM a:${VERSIO}\n",
        "UndefinedArgInFrom",
        2,
        "FROM argument 'VERSIO' is not declared (did you mean VERSION?)",
    ),
    (
        B + "WORKDIR a\n",
        "WorkdirRelativePath",
        2,
        'Relative workdir "a" can have unexpected results if the base image changes',
    ),
    (B + "COPY $foo .\n", "UndefinedVar", 2, "Usage of undefined variable '$foo'"),
    (B + "ENV PATH=$PAHT:/x\n", "UndefinedVar", 2, "Usage of undefined variable '$PAHT' (did you mean $PATH?)"),
    (
        B + 'CMD ["a"]\nRUN x\nCMD ["b"]\n',
        "MultipleInstructionsDisallowed",
        2,
        "Multiple CMD instructions should not be used in the same stage because only the last one will be used",
    ),
    (
        B + "ENV a b\n",
        "LegacyKeyValueFormat",
        2,
        '"ENV key=value" should be used instead of legacy "ENV key value" format',
    ),
    (
        "FROM --platform=$TARGETPLATFORM a\n",
        "RedundantTargetPlatform",
        1,
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    ),
    (
        B + "ARG AWS_SECRET_ACCESS_KEY\n",
        "SecretsUsedInArgOrEnv",
        2,
        'Do not use ARG or ENV instructions for sensitive data (ARG "AWS_SECRET_ACCESS_KEY")',
    ),
    (
        "ARG TAG\nFROM a:${TAG}\n",
        "InvalidDefaultArgInFrom",
        2,
        "Default value for ARG a:${TAG} results in empty or invalid base image name",
    ),
    (
        "FROM --platform=linux/amd64 a\n",
        "FromPlatformFlagConstDisallowed",
        1,
        'FROM --platform flag should not use constant value "linux/amd64"',
    ),
    (
        B + "COPY ./secret.txt /\n",
        "CopyIgnoredFile",
        2,
        'Attempting to Copy file "./secret.txt" that is excluded by .dockerignore',
    ),
    (
        "# something else\nFROM a AS b\n",
        "InvalidDefinitionDescription",
        2,
        "Comment for FROM should follow the format: `# b <description>`",
    ),
    (
        B + "EXPOSE 80/TcP\n",
        "ExposeProtoCasing",
        2,
        "Defined protocol '80/TcP' in EXPOSE instruction should be lowercase",
    ),
    (
        B + "EXPOSE 127.0.0.1:80:80\n",
        "ExposeInvalidFormat",
        2,
        "EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
    ),
]


def findings(text: str, checks: Checks | None = ALL) -> list[tuple[str, int, str]]:
    found = lint(parse({"Dockerfile": text.encode()}, "Dockerfile"), checks=checks, ignored=lambda p: p == "secret.txt")
    return [(each.rule, each.location.first, each.message) for each in found]


@pytest.mark.parametrize(("text", "rule", "line", "message"), CASES)
def test_findings(text: str, rule: str, line: int, message: str) -> None:
    assert findings(text) == [(rule, line, message)]


def test_every_rule_is_known() -> None:
    assert {rule for _, rule, _, _ in CASES} | {"InvalidBaseImagePlatform"} == set(RULES)


CLEAN = [
    "ARG V=1\nFROM --platform=$BUILDPLATFORM a:$V AS b\nRUN echo $any\n",
    "FROM a\nCOPY $perhaps_from_the_image /\n",
    B + 'SHELL ["a"]\nCMD b\n',
    'FROM a AS x\nSHELL ["a"]\nFROM x\nCMD b\n',
    B + "WORKDIR /a\nWORKDIR b\n",
    "FROM a AS x\nWORKDIR /a\nFROM x\nWORKDIR b\n",
    B + "ARG a\nENV b=$a c=${d:-1} e=\\$f\nLABEL g=$b\n",
    B + "EXPOSE 80 $port 443/tcp ${p:-81}\n".replace("$port", ""),
    B + "ENV PUBLIC_KEY=1 TOKENS=2 keyboard=3\n",
    "FROM --platform=linux/amd64 a AS build-amd64\n",
    "# b builds it\nFROM a AS b\n",
    "# about\n\nFROM a AS b\n",
    B + "COPY --from=x secret.txt /\nCOPY <<secret.txt /\n$(x) \\$a\nsecret.txt\n",
    "ARG A=busybox\nFROM ${A}\n",
]


@pytest.mark.parametrize("text", CLEAN)
def test_nothing_is_found(text: str) -> None:
    assert findings(text) == []


def test_what_is_known_of_base_images() -> None:
    dockerfile = parse({"Dockerfile": b"FROM a\nENV x=$known$unknown\nCMD b\n"}, "Dockerfile")
    base = Base(frozenset({"known"}), has_shell=True, reference="a", platform="linux/arm64", expected="linux/amd64")
    assert [(each.rule, each.message) for each in lint(dockerfile, {0: base})] == [
        (
            "InvalidBaseImagePlatform",
            'Base image a was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
        ),
        ("UndefinedVar", "Usage of undefined variable '$unknown' (did you mean $known?)"),
    ]


DIRECTIVES = [
    ("", ["FromAsCasing", "MaintainerDeprecated"]),
    ("# check=skip=FromAsCasing\n", ["MaintainerDeprecated"]),
    ("# check=skip=fromascasing,MaintainerDeprecated\n", []),
    ("# check=skip=all;error=true\n", []),
    (
        "# check=experimental=all;error=false\n",
        ["InvalidDefinitionDescription", "FromAsCasing", "MaintainerDeprecated"],
    ),
]


@pytest.mark.parametrize(("directive", "rules"), DIRECTIVES)
def test_the_check_directive(directive: str, rules: list[str]) -> None:
    text = f"{directive}# check this\nFROM a as b\nMAINTAINER c\n"
    assert {rule for rule, _, _ in findings(text, None)} == set(rules)


def test_findings_may_be_errors() -> None:
    dockerfile = parse({"Dockerfile": b"# check=error=true\nFROM a as b\nMAINTAINER c\n"}, "Dockerfile")
    assert checks_of(dockerfile).error
    assert violation(lint(dockerfile)) == "lint violation found for rules: FromAsCasing, MaintainerDeprecated"


@pytest.mark.parametrize("directive", ["skip", "foo=bar", "error=maybe"])
def test_directives_that_say_nothing(directive: str) -> None:
    with pytest.raises(SyntaxFault):
        lint(parse({"Dockerfile": f"# check={directive}\nFROM a\n".encode()}, "Dockerfile"))


def test_where_a_rule_is_explained() -> None:
    (found,) = lint(parse({"Dockerfile": b"FROM scratch\nCMD a\n"}, "Dockerfile"))
    assert found.url == "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"
    assert found.description == RULES["JSONArgsRecommended"]
