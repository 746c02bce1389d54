"""COPY, ADD and WORKDIR to the graph (pure)."""

import posixpath
from typing import TypeVar

import msgspec

from pier.build.context.patterns import components, is_wild
from pier.build.dockerfile import ast
from pier.build.dockerfile.draft import Drawn
from pier.build.dockerfile.remotes import file_name, is_http, parse_git
from pier.build.dockerfile.stage import Stage
from pier.build.dockerfile.state import replaced
from pier.build.dockerfile.texts import classic_text, classic_transfer_text, transfer_text
from pier.build.graph import ClassicRules, Copy, CopyItem, GitSource, HttpSource, Merge, Mkdir

T = TypeVar("T", bound=ast.Transfer)


class _Inputs:
    """The inputs of one vertex, each once."""

    def __init__(self) -> None:
        self.nodes: list[int] = []

    def add(self, node: int) -> int:
        if node not in self.nodes:
            self.nodes.append(node)
        return self.nodes.index(node)


def copy(stage: Stage, instruction: ast.Copy) -> None:
    """COPY: from the context, or from a stage, an image or a named context."""
    instruction = _expanded(stage, instruction)
    inputs = _Inputs()
    if instruction.from_ and instruction.heredocs:
        raise stage.fault("COPY --from does not take here-documents", instruction.location)
    items: list[CopyItem] = []
    for source in _paths(instruction):
        node = stage.origin(instruction.from_, instruction.location) if instruction.from_ else None
        if instruction.from_ and node is None:
            raise stage.fault(f'"{source}": not found: scratch is empty', instruction.location)
        items.append(CopyItem(source, inputs.add(stage.context(instruction.location) if node is None else node)))
    items += _documents(stage, instruction)
    _draw(stage, instruction, "COPY", items, inputs, parents=instruction.parents)


def add(stage: Stage, instruction: ast.Add) -> None:
    """ADD: archives of the context are unpacked, URLs fetched, repositories checked out."""
    instruction = _expanded(stage, instruction)
    inputs = _Inputs()
    paths = _paths(instruction)
    if instruction.checksum and len(instruction.sources) != 1:
        raise stage.fault("checksum can't be specified for multiple sources", instruction.location)
    if instruction.checksum and not any(is_http(path) and parse_git(path) is None for path in paths):
        raise stage.fault("checksum can't be specified for non-HTTP(S) sources", instruction.location)
    items = [_added(stage, instruction, source, inputs) for source in paths]
    _draw(stage, instruction, "ADD", [*items, *_documents(stage, instruction)], inputs)


def _added(stage: Stage, instruction: ast.Add, source: str, inputs: _Inputs) -> CopyItem:
    repository = parse_git(source, keep_git_dir=instruction.keep_git_dir)
    if repository is not None:
        return CopyItem("/", inputs.add(_fetched(stage, instruction, repository, source)))
    if is_http(source):
        checksum = stage.word(instruction.checksum, instruction.location)
        op = HttpSource(url=source, name=file_name(source), checksum=checksum)
        node = _fetched(stage, instruction, op, source)
        return CopyItem("/" + op.name, inputs.add(node), unpack=bool(instruction.unpack))
    unpack = instruction.unpack is not False
    return CopyItem(source, inputs.add(stage.context(instruction.location)), unpack=unpack)


def _fetched(stage: Stage, instruction: ast.Add, op: GitSource | HttpSource, source: str) -> int:
    return stage.draft.add(Drawn(op, (), source, location=instruction.location))


def _expanded(stage: Stage, instruction: T) -> T:
    def words(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(stage.word(text, instruction.location) for text in texts)

    expanded: T = msgspec.structs.replace(
        instruction,
        sources=words(tuple(source for source in instruction.sources if not source.startswith("<<"))),
        dest=stage.word(instruction.dest, instruction.location),
        chown=stage.word(instruction.chown, instruction.location),
        chmod=stage.word(instruction.chmod, instruction.location),
        exclude=words(instruction.exclude),
    )
    return expanded


def _paths(instruction: ast.Transfer) -> list[str]:
    return list(instruction.sources)


def _documents(stage: Stage, instruction: ast.Transfer) -> list[CopyItem]:
    found = []
    for heredoc in instruction.heredocs:
        content = heredoc.content
        if heredoc.expand:
            content = stage.expander.word(content, stage.state.variables, instruction.location, raw=True)
        found.append(CopyItem(heredoc.name, content=content))
    return found


def _draw(
    stage: Stage,
    instruction: ast.Transfer,
    keyword: str,
    items: list[CopyItem],
    inputs: _Inputs,
    *,
    parents: bool = False,
) -> None:
    state = stage.state
    if not items:
        raise stage.fault(f"no source files were specified for {keyword}", instruction.location)
    linked = instruction.link and _can_be_linked(instruction, items)
    base = None if linked or state.root is None else inputs.add(state.root)
    op = Copy(
        items=tuple(items),
        dest=stage.absolute(instruction.dest),
        base=base,
        chown=instruction.chown,
        chmod=instruction.chmod,
        parents=parents,
        exclude=instruction.exclude,
        classic=_classic_rules(instruction, keyword, items) if stage.request.classic else None,
    )
    below = state.root
    state.root = stage.step(instruction, op, inputs.nodes)
    if linked and below is not None:
        merge = Merge(upper=1, base=0, dest=op.dest, name=posixpath.basename(items[0].path.rstrip("/")))
        state.root = stage.draft.add(
            Drawn(merge, (below, state.root), "merging", state.platform, instruction.location, uncached=False)
        )
    shown = [*instruction.sources, *(f"<<{heredoc.name}" for heredoc in instruction.heredocs)]
    state.note(
        transfer_text(keyword, instruction, shown, instruction.dest),
        layer=True,
        classic=classic_transfer_text(keyword, instruction, shown, instruction.dest),
    )


def _classic_rules(instruction: ast.Transfer, keyword: str, items: list[CopyItem]) -> ClassicRules | None:
    """None where they could refuse nothing: such a copy is cached for other builds too."""
    wild = any(any(map(is_wild, components(item.path))) for item in items if item.input is not None)
    single = not instruction.dest.endswith("/") and (wild or len(items) > 1)
    named = not _numeric(instruction.chown)
    return ClassicRules(keyword, single) if wild or single or named else None


def _numeric(chown: str) -> bool:
    return all(part.isdigit() for part in chown.split(":") if part)


def _can_be_linked(instruction: ast.Transfer, items: list[CopyItem]) -> bool:
    """Whether it can be copied without a look at the base, and laid on it later as a plain copy would lie.

    An owner's name is known by the base alone. What an archive holds, and the name of what a pattern matches, may
    have to give way to what the base has, and are not known here.
    """
    into_folder = instruction.dest.endswith(("/", "/.")) or instruction.dest in ("", ".")
    single = len(items) == 1 and not any(map(is_wild, components(items[0].path)))
    return _numeric(instruction.chown) and (into_folder or single) and not any(item.unpack for item in items)


def workdir(stage: Stage, instruction: ast.Workdir) -> None:
    """WORKDIR: relative to the one before; the folder is made, except for the root."""
    state = stage.state
    given = stage.word(instruction.path, instruction.location)
    path = posixpath.normpath(posixpath.join("/", stage.workdir, given)).replace("//", "/")
    shown = given if given.startswith("/") else path
    state.config = replaced(state.config, working_dir=shown)
    if path != "/":
        inputs = [] if state.root is None else [state.root]
        state.root = stage.step(instruction, Mkdir(path=path, base=0 if inputs else None), inputs)
    state.note(f"WORKDIR {shown}", layer=path != "/", classic=classic_text(f"WORKDIR {shown}"))
