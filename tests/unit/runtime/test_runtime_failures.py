"""What runtimes say, in Docker's words."""

import pytest

from pier.errors import Internal, InvalidArgument
from pier.runtime.failures import failure
from pier.runtime.program import said

START = "unable to start container process: "


@pytest.mark.parametrize(
    ("stderr", "argv", "kind", "text"),
    [
        (
            "executable file `nope` not found in $PATH: No such file or directory\n",
            ["nope"],
            InvalidArgument,
            f'crun create failed: {START}exec: "nope": executable file not found in $PATH: unknown',
        ),
        (
            "executable file `/nope` not found in $PATH: No such file or directory\n",
            ["/nope"],
            InvalidArgument,
            f'crun create failed: {START}exec: "/nope": stat /nope: no such file or directory: unknown',
        ),
        (
            "open executable: Operation not permitted",
            ["/etc"],
            InvalidArgument,
            f'crun create failed: {START}exec: "/etc": is a directory: unknown: permission denied',
        ),
        (
            "open executable: Permission denied",
            ["/etc/passwd"],
            InvalidArgument,
            f'crun create failed: {START}exec: "/etc/passwd": permission denied: unknown',
        ),
        (
            "chdir `/nodir`: No such file or directory",
            ["true"],
            InvalidArgument,
            f'crun create failed: {START}chdir to cwd ("/nodir") set in config.json failed: '
            "no such file or directory: unknown",
        ),
        ("something `new` happened", ["true"], Internal, "crun create failed: something `new` happened: unknown"),
        ("", [], Internal, "crun create failed: no message: unknown"),
        (
            'time="2026" level=warning msg="oh"\n'
            'time="2026" level=error msg="runc create failed: unable to start container process: exec: \\"x\\": '
            'executable file not found in $PATH"\n',
            ["x"],
            InvalidArgument,
            f'runc create failed: {START}exec: "x": executable file not found in $PATH: unknown',
        ),
    ],
)
def test_create(stderr: str, argv: list[str], kind: type[Exception], text: str) -> None:
    error = failure("create", "crun", stderr, argv)
    assert type(error) is kind
    assert str(error) == f"OCI runtime create failed: {text}"


def test_a_folder_over_a_file_has_a_hint() -> None:
    error = failure("create", "crun", "mount `/a` to `bin/b`: Not a directory", ["true"])
    assert isinstance(error, InvalidArgument)
    assert 'error mounting "/a" to rootfs at "/bin/b": not a directory: unknown' in str(error)
    assert str(error).endswith("Check if the specified host path exists and is the expected type")


def test_exec() -> None:
    error = failure("exec", "crun", "executable file `x` not found in $PATH", ["x"])
    assert str(error) == (
        f'OCI runtime exec failed: exec failed: {START}exec: "x": executable file not found in $PATH: unknown'
    )


def test_said_takes_the_last_word() -> None:
    assert said("first\n\n last \n") == "last"
    assert said('level=fatal msg="a \\"b\\""') == 'a "b"'
