"""What one target platform needs: stages in order, and images (pure)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from pier.build.dockerfile import ast
from pier.build.dockerfile.fault import Fault
from pier.build.dockerfile.images import ImageName, ImageWanted, ResolvedImage
from pier.build.dockerfile.parse import parse_instruction
from pier.build.dockerfile.platforms import Platforms, platform_variables, read_platform
from pier.build.dockerfile.stages import ImageOrigin, Origin, StageOrigin, Stages
from pier.build.dockerfile.variables import global_variables
from pier.build.request import BuildRequest
from pier.errors import InvalidArgument
from pier.oci.platform import Platform

_MULTI: Final = "BUILDKIT_MULTI_PLATFORM"


class Inputs(msgspec.Struct, frozen=True):
    """What lowering begins with. ``excludes``: the .dockerignore patterns of the client's folders, by name."""

    dockerfile: ast.Dockerfile
    request: BuildRequest
    platforms: tuple[Platforms, ...]
    images: Mapping[ImageName, ResolvedImage] = {}
    excludes: Mapping[str, tuple[str, ...]] = {}


class Plan:
    """``several``: names tell the platform. Raises Fault for names that mean nothing, wherever they are."""

    def __init__(self, inputs: Inputs, platforms: Platforms) -> None:
        dockerfile, request = inputs.dockerfile, inputs.request
        self.platforms = platforms
        self.several = len(inputs.platforms) > 1 or request.build_args.get(_MULTI, "") in ("1", "true")
        self.variables = global_variables(dockerfile, request.build_args, platform_variables(platforms))
        self.stages = Stages(dockerfile, request.contexts, self.variables)
        self.target = self.stages.target(request.target)
        self._images = inputs.images
        self._platforms: dict[int, Platform] = {}
        self._triggers: dict[int, tuple[ast.Instruction, ...]] = {}

    def order(self) -> list[int]:
        """The stages that the target needs, each after those that it needs."""
        done: dict[int, None] = {}
        waiting = [(self.target, False)]
        while waiting:
            index, ready = waiting.pop()
            if ready:
                done[index] = None
            elif index not in done:
                waiting.append((index, True))
                waiting += [(each, False) for each in reversed(self._stages_below(index)) if each not in done]
        return list(done)

    def _stages_below(self, index: int) -> list[int]:
        return [origin.index for origin in self._origins(index) if isinstance(origin, StageOrigin)]

    def _origins(self, index: int) -> list[Origin]:
        needs = [origin for origin, _ in self.stages.needs(index, self.triggers(index))]
        return [self.stages.base(index), *needs]

    def platform(self, index: int) -> Platform:
        """What the stage is built for: as it says, as its base stage, or as the target."""
        if index not in self._platforms:
            self._platforms[index] = self._find_platform(index)
        return self._platforms[index]

    def _find_platform(self, index: int) -> Platform:
        while True:
            if text := self.stages.platform(index):
                try:
                    return read_platform(text)
                except InvalidArgument as error:
                    start = self.stages.stage(index).start
                    raise self.stages.expander.fault(str(error), start.location) from error
            base = self.stages.base(index)
            if not isinstance(base, StageOrigin):
                return self.platforms.target
            index = base.index
            if index in self._platforms:
                return self._platforms[index]

    def image_name(self, origin: ImageOrigin, index: int | None) -> ImageName:
        """``index``: the stage that begins with the image; None where it is only read from."""
        if index is None or not self.stages.platform(index):
            return ImageName(origin.reference, self.platforms.target, self.platforms.default)
        return ImageName(origin.reference, self.platform(index))

    def triggers(self, index: int) -> tuple[ast.Instruction, ...]:
        """The instructions that the stage's base left for it; none while the base is not known."""
        base = self.stages.base(index)
        if isinstance(base, StageOrigin):
            inside = self.stages.instructions(base.index)
            texts = [each.trigger for each in inside if isinstance(each, ast.Onbuild)]
        elif isinstance(base, ImageOrigin):
            image = self._images.get(self.image_name(base, index))
            texts = (image.config.config.on_build or []) if image else []
        else:
            return ()
        if texts and index not in self._triggers:
            self._triggers[index] = tuple(self._parse_trigger(text, index) for text in texts)
        return self._triggers.get(index, ())

    def _parse_trigger(self, text: str, index: int) -> ast.Instruction:
        location = self.stages.stage(index).start.location
        try:
            return parse_instruction(text, location)
        except Fault as error:
            raise self.stages.expander.fault(error.reason, location) from error

    def missing(self) -> list[ImageWanted]:
        """Images that are needed and not known yet."""
        found: dict[ImageName, ImageWanted] = {}
        self.stages.check()
        for index in self.order():
            start = self.stages.stage(index).start
            base = self.stages.base(index)
            if isinstance(base, ImageOrigin):
                name = self.image_name(base, index)
                found.setdefault(name, ImageWanted(name, base.written, start.location))
            for origin, _ in self.stages.needs(index, self.triggers(index)):
                if isinstance(origin, ImageOrigin):
                    name = self.image_name(origin, None)
                    found.setdefault(name, ImageWanted(name, origin.written))
        return [wanted for name, wanted in found.items() if name not in self._images]


def plans(inputs: Inputs) -> list[Plan]:
    """One for each target platform."""
    return [Plan(inputs, platforms) for platforms in inputs.platforms]
