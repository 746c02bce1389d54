"""What the linter found, told to the client."""

from pier.build.deps import Build
from pier.build.dockerfile.ast import Warning
from pier.build.dockerfile.contexts import folder_name
from pier.build.dockerfile.lint import Base, checks_of, lint
from pier.build.dockerfile.lintrules import violation
from pier.build.dockerfile.plan import Inputs, Plan
from pier.build.dockerfile.stages import ImageOrigin
from pier.build.dockerfile.state import env_variables
from pier.build.dockerignore import Matcher
from pier.build.failures import BuildFailed
from pier.build.progress import LintWarning
from pier.oci.platform import Platform


class CheckFailed(BuildFailed):
    """``--check`` found something; the findings went to progress."""


def warn(build: Build, inputs: Inputs, vertex: str) -> None:
    """Tell the findings. Raises BuildFailed where the Dockerfile says that they are errors."""
    found = _findings(inputs)
    _tell(build, inputs, vertex, found)
    if found and checks_of(inputs.dockerfile).error:
        raise BuildFailed(violation(found), found[0].location, inputs.dockerfile.sources)


def check(build: Build, inputs: Inputs, vertex: str) -> None:
    """Only lint. Raises CheckFailed for anything found."""
    found = _findings(inputs)
    _tell(build, inputs, vertex, found)
    if found:
        count = "1 warning has" if len(found) == 1 else f"{len(found)} warnings have"
        raise CheckFailed(f"Check complete, {count} been found!")


def _findings(inputs: Inputs) -> list[Warning]:
    patterns = inputs.excludes.get(folder_name(inputs.request.context), ())
    matcher = Matcher(patterns) if patterns else None
    return lint(
        inputs.dockerfile, _bases(inputs), ignored=(lambda path: matcher.excludes(path, False)) if matcher else None
    )


def _bases(inputs: Inputs) -> dict[int, Base]:
    """What is known of the stages' images; of none, if they were not resolved."""
    plan = Plan(inputs, inputs.platforms[0])
    found: dict[int, Base] = {}
    for index in plan.order():
        origin = plan.stages.base(index)
        image = inputs.images.get(plan.image_name(origin, index)) if isinstance(origin, ImageOrigin) else None
        if image is None:
            continue
        config, wanted = image.config, plan.platform(index)
        own = Platform(config.architecture, config.os, config.os_version, config.variant)
        fits = wanted.matches(own)
        found[index] = Base(
            variables=frozenset(env_variables(config.config.env or [])),
            has_shell=bool(config.config.shell),
            reference=image.reference,
            platform="" if fits else str(own),
            expected="" if fits else str(wanted),
        )
    return found


def _tell(build: Build, inputs: Inputs, vertex: str, found: list[Warning]) -> None:
    for each in found:
        source = inputs.dockerfile.sources.get(each.location.file, "")
        build.progress(LintWarning(vertex, each, source))
