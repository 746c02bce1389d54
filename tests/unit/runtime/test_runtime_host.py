"""What is looked up on the host."""

from pathlib import Path

import pytest

from pier.errors import InvalidArgument, Unsupported
from pier.runtime.host import find_devices, find_init, own_capabilities
from pier.runtime.select import select_runtime


def test_devices() -> None:
    (null,) = find_devices("/dev/null", "/dev/nothing", "r")
    assert (null.path, null.type, null.major, null.minor, null.access) == ("/dev/nothing", "c", 1, 3, "r")
    found = {device.path for device in find_devices("/dev", "/host")}
    assert {"/host/null", "/host/zero"} <= found
    assert not any(path.startswith(("/host/pts", "/host/shm")) for path in found)


@pytest.mark.parametrize(
    ("path", "reason"), [("/dev/nope", "no such file or directory"), ("/etc/passwd", "not a device node")]
)
def test_no_devices(path: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        find_devices(path)
    text = f'error gathering device information while adding custom device "{path}": {reason}'
    assert str(caught.value) == text


def test_capabilities(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\nCapPrm:\t00000000000000ff\nCapBnd:\t0000000000000105\n")
    assert own_capabilities(tmp_path / "status") == {"CAP_CHOWN", "CAP_DAC_READ_SEARCH"}


def test_init(tmp_path: Path) -> None:
    program = tmp_path / "tini"
    with pytest.raises(Unsupported, match="install the package tini"):
        find_init(program)
    program.write_text("")
    program.chmod(0o755)
    assert find_init(program) == program


async def test_no_supervisor(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="install the package conmon"):
        await select_runtime(None, run=tmp_path, conmon="no-such-conmon")


async def test_no_runtime(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="no-such-runtime is not installed"):
        await select_runtime("no-such-runtime", run=tmp_path, conmon="true")
