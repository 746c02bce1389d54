"""House rules that a machine can check; import layers are import-linter's part (``scripts/check`` runs both).

Each test lists its offenders as ``path:line: what``, so that the failure says where to go.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pier.daemon.reference import table

ROOT = Path(__file__).resolve().parents[2]
PIER = ROOT / "pier"
TESTS = ROOT / "tests"
LONGEST_FILE = 400

# Decisions over values: no clock, no loop, no system. (¹ in docs/dev/README.md)
PURE = (
    "oci/digest.py",
    "oci/ignore.py",
    "oci/wildcards.py",
    "oci/reference.py",
    "oci/mediatypes.py",
    "oci/platformtext.py",
    "oci/manifest.py",
    "oci/image.py",
    "events/filters.py",
    "runtime/accounts.py",
    "runtime/spec.py",
    "build/steps/spec.py",
    "cli/manifests/documents.py",
    "cli/manifests/platforms.py",
    "build/export/configure.py",
    "build/export/outputs.py",
    "build/remotecache/format.py",
    "containers/state.py",
    "containers/restart.py",
    "containers/healthstate.py",
    "networks/ipam.py",
    "networks/firewall.py",
    "api/buildkit/exporters.py",
    "api/buildkit/frontend.py",
    "api/buildkit/gomode.py",
    "api/buildkit/results.py",
    "api/buildkit/statusreply.py",
    "api/buildkit/subrequests.py",
    "api/buildkit/taps.py",
    "build/dockerfile/directives.py",
    "build/dockerfile/fault.py",
    "build/dockerfile/flags.py",
    "build/dockerfile/healthcheck.py",
    "build/dockerfile/heredoc.py",
    "build/dockerfile/instructions.py",
    "build/dockerfile/lines.py",
    "build/dockerfile/lint.py",
    "build/dockerfile/lintrules.py",
    "build/dockerfile/lintstage.py",
    "build/dockerfile/lintvariables.py",
    "build/dockerfile/mounts.py",
    "build/dockerfile/parse.py",
    "build/dockerfile/patterns.py",
    "build/dockerfile/shell.py",
    "build/dockerfile/space.py",
    "build/dockerfile/suggest.py",
    "build/dockerfile/words.py",
    "build/dockerfile/contexts.py",
    "build/dockerfile/draft.py",
    "build/dockerfile/images.py",
    "build/dockerfile/lower.py",
    "build/dockerfile/plan.py",
    "build/dockerfile/platforms.py",
    "build/dockerfile/remotes.py",
    "build/dockerfile/runnable.py",
    "build/dockerfile/runs.py",
    "build/dockerfile/settings.py",
    "build/dockerfile/stage.py",
    "build/dockerfile/stages.py",
    "build/dockerfile/state.py",
    "build/dockerfile/stepmounts.py",
    "build/dockerfile/texts.py",
    "build/dockerfile/transfer.py",
    "build/dockerfile/variables.py",
    "build/options.py",
    "registry/access/policy.py",
    "registry/access/scopes.py",
    "registry/builds/checking.py",
    "registry/builds/choosing.py",
    "registry/builds/gitconfig.py",
    "registry/builds/gitsaid.py",
    "registry/builds/payload.py",
    "registry/builds/runlog.py",
    "registry/builds/signature.py",
    "registry/manifests/document.py",
    "registry/housekeeping/rules.py",
    "registry/hooks/envelope.py",
    "registry/replication/rules.py",
    "registry/blobs/coming.py",
    "registry/http/conditions.py",
    "registry/http/pages.py",
    "registry/http/ranges.py",
    "registry/http/routes.py",
    "cli/template/lex.py",
    "cli/template/parse.py",
)
IMPURE = {"asyncio", "os", "time", "socket", "subprocess", "threading", "random", "shutil", "tempfile"}

SQL = re.compile(
    r"\s*(SELECT .+ FROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX)|PRAGMA )", re.S
)
UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX|NotImplementedError)\b|# type: ignore(?!\[[\w,-]+\]  # \w)|pragma: no cover"
)
SPAWNING = {"fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp", "spawnv", "spawnve"}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """``(line, dotted module)`` of every import; ``from a import b`` gives ``a`` and ``a.b``."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module != "pier":  # `from pier import errors` names the module, not the root
                yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def importing(module: str, files: list[Path]) -> list[str]:
    return [
        place(path, line, name)
        for path in files
        for line, name in imports_of(path)
        if name == module or name.startswith(module + ".")
    ]


def place(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {what}"


def outside(*allowed: str) -> list[Path]:
    """Pier's files that lie under none of ``allowed`` (paths inside ``pier/``)."""
    return [
        path
        for path in python_files(PIER)
        if not any(path == PIER / name or PIER / name in path.parents for name in allowed)
    ]


def lines_matching(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        place(path, number, line.strip())
        for path in files
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


@cache
def project_files() -> list[Path]:
    """Every text file that belongs to the project, as git sees it (also those not yet added)."""
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def test_nobody_imports_the_root_package() -> None:
    offenders = [
        place(path, line, name)
        for path in python_files(PIER) + python_files(TESTS)
        for line, name in imports_of(path)
        if name == "pier"
    ]
    assert offenders == []


@pytest.mark.parametrize("module", ["ctypes", "pyroute2"])
def test_only_linux_talks_to_the_kernel(module: str) -> None:
    assert importing(module, outside("linux")) == []


def test_processes_start_in_one_module() -> None:
    """``linux/process.py`` starts them; the client may spawn ``pierd`` itself, without ``subprocess``."""
    offenders = importing("subprocess", outside("linux/process.py"))
    for path in outside("linux/process.py"):
        may_spawn = path.relative_to(PIER).parts[0] in {"cli", "client"}
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
                continue
            name = f"{node.value.id}.{node.attr}"
            allowed = {"posix_spawn", "posix_spawnp"} if may_spawn else set()
            spawns = node.value.id == "os" and node.attr in SPAWNING - allowed
            if spawns or name.startswith("asyncio.create_subprocess"):
                offenders.append(place(path, node.lineno, name))
    assert offenders == []


def test_nothing_runs_python_between_fork_and_exec() -> None:
    offenders = [
        place(path, node.lineno, "preexec_fn")
        for path in python_files(PIER)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.keyword) and node.arg == "preexec_fn"
    ]
    assert offenders == []


def test_sql_stays_in_metadata() -> None:
    files = outside("metadata")
    offenders = importing("sqlite3", files)
    for path in files:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
                offenders.append(place(path, node.lineno, node.value.strip()[:40]))
    assert offenders == []


def test_nobody_mocks() -> None:
    assert importing("unittest.mock", python_files(PIER) + python_files(TESTS)) == []
    assert (
        importing("pier.testing", [path for path in python_files(PIER) if PIER / "testing" not in path.parents]) == []
    )


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_decide_only(name: str) -> None:
    offenders = [
        place(PIER / name, line, module) for line, module in imports_of(PIER / name) if module.split(".")[0] in IMPURE
    ]
    assert offenders == []


def test_every_module_says_what_it_is() -> None:
    silent = [str(path.relative_to(ROOT)) for path in python_files(PIER) if not ast.get_docstring(tree_of(path))]
    assert silent == []


def test_no_file_grows_without_bound() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files(PIER)}
    assert [f"{path.relative_to(ROOT)}: {count} lines" for path, count in lengths.items() if count > LONGEST_FILE] == []


def test_nothing_is_left_unfinished() -> None:
    offenders = lines_matching(
        UNFINISHED, [path for path in python_files(PIER) + python_files(TESTS) if path != Path(__file__)]
    )
    for path in python_files(PIER):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                offenders.append(place(path, node.lineno, "bare except"))
    assert offenders == []


def test_tests_do_not_skip_or_sleep() -> None:
    pattern = re.compile(r"pytest\.(skip|xfail|importorskip)|mark\.(skip|xfail)|\btime\.sleep\(|assert True\b")
    assert lines_matching(pattern, [path for path in python_files(TESTS) if path != Path(__file__)]) == []


def test_settings_are_documented() -> None:
    """The reference page has the table that ``python -m pier.daemon.reference`` prints."""
    page = (ROOT / "docs/user/pierd.md").read_text()
    assert table() in page


def test_change_fragments_are_well_formed() -> None:
    """See ``changes/README.md``: a number, a few words, a kind; inside, sentences for a user."""
    name = re.compile(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.(feature|fix|change|security)\.md")
    fragments = [path for path in sorted((ROOT / "changes").iterdir()) if path.name != "README.md"]
    assert fragments
    assert [path.name for path in fragments if not name.fullmatch(path.name)] == []
    texts = {path.name: path.read_text().strip() for path in fragments}
    assert [where for where, text in texts.items() if not re.match(r"[A-Z`].*[.)`]$", text, re.S)] == []
    numbers = [path.name[:4] for path in fragments]
    assert len(numbers) == len(set(numbers))


def test_no_paths_of_the_writers_machine() -> None:
    home = re.compile(re.escape(str(ROOT)) + r"\b|/home/(?!user\b)\w+/|\.pyenv/")
    assert lines_matching(home, [path for path in project_files() if path != Path(__file__)]) == []


def test_no_package_registry_hosts() -> None:
    """Mirrors are the system's own settings: apt's, pip's. None is written down here."""
    hosts = sorted(_apt_hosts() | _pip_hosts())
    if not hosts:
        return
    pattern = re.compile("|".join(re.escape(host) for host in hosts), re.IGNORECASE)
    assert lines_matching(pattern, project_files()) == []


def _apt_hosts() -> set[str]:
    try:
        listing = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        return set()
    return set(re.findall(r"://([^/:\s]+)", listing))


def _pip_hosts() -> set[str]:
    program = "from pip._internal.models.index import PyPI as index; print(index.url, '//' + index.file_storage_domain)"
    settings = [[sys.executable, "-m", "pip", "config", "list"], [sys.executable, "-c", program]]
    text = "".join(subprocess.run(command, capture_output=True, text=True, check=False).stdout for command in settings)
    return {host for host in re.findall(r"//([\w-]+(?:\.[\w-]+)+)", text) if not host.replace(".", "").isdigit()}
