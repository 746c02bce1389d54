import pytest

from pier.containers.config import ContainerConfig
from pier.containers.hostconfig import HostConfig
from pier.containers.security import confinement
from pier.containers.specplan import DEFAULT_PATH, device_rules, environment
from pier.errors import InvalidArgument
from pier.runtime.accounts import Account, find_account

PASSWD = "root:x:0:0:root:/root:/bin/sh\n#c:x:5:5::/:\nweb:x:1000:1001:w:/home/web:/bin/sh\nbad:x:-1:5::/:\nshort:x\n"
GROUP = "root:x:0:\nweb:x:1001:\nextra:x:2000:web,other\nmore:x:3000: web\nbad:x:99999999999:\n"


@pytest.mark.parametrize(
    ("user", "more", "expected"),
    [
        ("", (), Account(0, 0, (0,), "/root")),
        ("root", (), Account(0, 0, (0,), "/root")),
        ("web", (), Account(1000, 1001, (1001, 2000, 3000), "/home/web")),
        ("1000", (), Account(1000, 1001, (1001, 2000, 3000), "/home/web")),
        ("web:root", (), Account(1000, 0, (0,), "/home/web")),
        ("web:77", ("extra", "88"), Account(1000, 77, (77, 88, 2000), "/home/web")),
        ("4242", (), Account(4242, 0, (0,), "/")),
        ("4242:extra", (), Account(4242, 2000, (2000,), "/")),
    ],
)
def test_who_runs(user: str, more: tuple[str, ...], expected: Account) -> None:
    assert find_account(user, more, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nope", "unable to find user nope: no matching entries in passwd file"),
        ("web:nope", "unable to find group nope: no matching entries in group file"),
        ("bad", "unable to find user bad: no matching entries in passwd file"),
        ("-1", "unable to find user -1: no matching entries in passwd file"),
        ("4294967295", "uids and gids must be in range 0-2147483647"),
    ],
)
def test_who_cannot(user: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        find_account(user, (), PASSWD, GROUP)
    assert str(caught.value) == message


def test_root_needs_no_files() -> None:
    assert find_account("", (), "", "") == Account(0, 0, (0,), "/")


def test_environment() -> None:
    made = environment(ContainerConfig(tty=True, env=("A=1", "HOSTNAME=mine")), "box", "/root")
    assert made == (DEFAULT_PATH, "HOSTNAME=mine", "TERM=xterm", "A=1", "HOME=/root")
    assert environment(ContainerConfig(env=("PATH", "HOME=/x")), "box", "/root") == ("HOSTNAME=box", "HOME=/x")


def test_confinement() -> None:
    assert confinement(HostConfig(security_opt=("no-new-privileges",))).no_new_privileges
    assert confinement(HostConfig(security_opt=("seccomp=unconfined",))).seccomp == "unconfined"
    assert confinement(HostConfig(security_opt=("seccomp:unconfined",))).seccomp == "unconfined"
    assert confinement(HostConfig(security_opt=("systempaths=unconfined",), masked_paths=("/x",))).masked_paths == ()
    assert confinement(HostConfig(privileged=True)).seccomp == "unconfined"
    for wrong in ("no-new-privileges=maybe", "seccomp={"):
        with pytest.raises(InvalidArgument):
            confinement(HostConfig(security_opt=(wrong,)))


def test_device_rules() -> None:
    (rule,) = device_rules(("c 42:* rmw",))
    assert (rule.type, rule.major, rule.minor, rule.access) == ("c", 42, None, "rmw")
