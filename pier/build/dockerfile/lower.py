"""From the AST to the graph (pure).

First :func:`needed_images` says which images must be resolved; their triggers (ONBUILD) may need more, so it is asked
again until all are known. Then :func:`lower` draws what each target platform needs, as one graph.
"""

from pier.build.dockerfile import ast
from pier.build.dockerfile.contexts import Contexts
from pier.build.dockerfile.draft import Draft, Drawn
from pier.build.dockerfile.images import ImageWanted
from pier.build.dockerfile.plan import Inputs, Plan, plans
from pier.build.dockerfile.platforms import shown_platform
from pier.build.dockerfile.runs import run
from pier.build.dockerfile.settings import SETTINGS
from pier.build.dockerfile.stage import Stage
from pier.build.dockerfile.stages import ContextOrigin, ImageOrigin, Origin, StageOrigin
from pier.build.dockerfile.state import State, empty_state, image_state, replaced
from pier.build.dockerfile.texts import StepNames
from pier.build.dockerfile.transfer import add, copy, workdir
from pier.build.graph import Copy, CopyItem, Graph, ImageSource, Target
from pier.oci.image import ImageConfig, RootFS
from pier.oci.platform import Platform

_STEPS = (ast.Run, ast.Copy, ast.Add, ast.Workdir)


def needed_images(inputs: Inputs) -> list[ImageWanted]:
    """The images that are not among ``inputs.images`` yet. Raises Fault, InvalidArgument."""
    found: dict[ImageWanted, None] = {}
    for plan in plans(inputs):
        found.update(dict.fromkeys(plan.missing()))
    return list(found)


def lower(inputs: Inputs) -> Graph:
    """All images must be there. Raises Fault, InvalidArgument, Unsupported."""
    draft = Draft(inputs.excludes)
    contexts = Contexts(draft, inputs.request, inputs.dockerfile.sources)
    targets = [_Lowering(inputs, plan, draft, contexts).target() for plan in plans(inputs)]
    return draft.finish(targets)


class _Lowering:
    """Draws one target."""

    def __init__(self, inputs: Inputs, plan: Plan, draft: Draft, contexts: Contexts) -> None:
        self._inputs = inputs
        self._plan = plan
        self._draft = draft
        self._contexts = contexts
        self._states: dict[int, State] = {}

    def target(self) -> tuple[int | None, Target]:
        for index in self._plan.order():
            self._states[index] = self._stage(index)
        state = self._states[self._plan.target]
        config = state.config
        if labels := self._inputs.request.labels:
            config = replaced(config, labels={**(config.labels or {}), **labels})
            for name, value in sorted(labels.items() if state.classic else ()):
                state.note(f"LABEL {name}={value}")
        target = Target(
            platform=state.platform,
            root=None,
            config=config,
            history=tuple(state.history),
            author=state.author,
            base=state.base,
        )
        return state.root, target

    def _stage(self, index: int) -> State:
        plan, request = self._plan, self._inputs.request
        start = plan.stages.stage(index).start
        base = plan.stages.base(index)
        triggers = plan.triggers(index)
        instructions = (*triggers, *plan.stages.instructions(index))
        total = isinstance(base, ImageOrigin) + sum(isinstance(each, _STEPS) for each in instructions)
        names = StepNames(self._shown_platform(index), plan.stages.shown(index), total)
        stage = Stage(
            draft=self._draft,
            request=request,
            expander=plan.stages.expander,
            escape=self._inputs.dockerfile.escape,
            globals=plan.variables,
            state=self._begin(base, index, start, names),
            names=names,
            uncached=request.no_cache or plan.stages.shown(index) in request.no_cache_filter,
            origin=lambda name, location: self._origin(name, index, location),
            context=self._contexts.main,
        )
        stage.state.classic = request.classic
        if triggers:
            stage.state.config = replaced(stage.state.config, on_build=None)
        for instruction in instructions:
            _dispatch(stage, instruction)
        return stage.state

    def _shown_platform(self, index: int) -> str:
        if not self._plan.several:
            return ""
        return shown_platform(self._plan.platform(index), self._plan.platforms.target)

    def _begin(self, base: Origin, index: int, start: ast.From, names: StepNames) -> State:
        platform = self._plan.platform(index)
        if isinstance(base, StageOrigin):
            return self._states[base.index].derived()
        if isinstance(base, ImageOrigin):
            image = self._inputs.images[self._plan.image_name(base, index)]
            node = self._image(base, index, names.next(f"FROM {image.reference}", {}, "\\"), start.location)
            return image_state(image.config, platform, image.reference, node)
        if isinstance(base, ContextOrigin):
            op = Copy(items=(CopyItem("/", 0),), dest="/")
            files = self._contexts.named(base.name, base.value)
            node = self._draft.add(Drawn(op, (files,), f"[context {base.name}] files", platform, start.location))
            state = image_state(_bare(platform), platform, "", node)
            state.note(f"COPY . / # {base.name}", layer=True)
            return state
        return empty_state(platform)

    def _image(self, origin: ImageOrigin, index: int | None, name: str, location: ast.Location) -> int | None:
        image = self._inputs.images[self._plan.image_name(origin, index)]
        if not image.config.rootfs.diff_ids:
            return None
        config = image.config
        platform = Platform(config.architecture, config.os, config.os_version, config.variant)
        op = ImageSource(reference=image.reference, image_id=image.image_id, diff_ids=tuple(config.rootfs.diff_ids))
        return self._draft.add(Drawn(op, (), name, platform, location))

    def _origin(self, name: str, index: int, location: ast.Location) -> int | None:
        """The node that ``--from=name`` reads from."""
        origin = self._plan.stages.source(name, index, location)
        if isinstance(origin, StageOrigin):
            return self._states[origin.index].root
        if isinstance(origin, ImageOrigin):
            return self._image(origin, None, f"FROM {origin.reference}", location)
        if isinstance(origin, ContextOrigin):
            return self._contexts.named(origin.name, origin.value)
        return None


def _dispatch(stage: Stage, instruction: ast.Instruction) -> None:
    if isinstance(instruction, ast.Run):
        run(stage, instruction)
    elif isinstance(instruction, ast.Copy):
        copy(stage, instruction)
    elif isinstance(instruction, ast.Add):
        add(stage, instruction)
    elif isinstance(instruction, ast.Workdir):
        workdir(stage, instruction)
    else:
        SETTINGS[type(instruction)](stage, instruction)


def _bare(platform: Platform) -> ImageConfig:
    """The config of an image that has none."""
    return ImageConfig(architecture=platform.architecture, os=platform.os, variant=platform.variant, rootfs=RootFS())
