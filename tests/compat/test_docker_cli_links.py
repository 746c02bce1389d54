"""``--link``: another container by name, and by variables."""

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker


def test_names_and_variables(cli: Docker, name: str) -> None:
    other = f"{name}-web"
    cli("run", "-d", "--name", other, "-h", "web", "-e", "X=1", "--expose", "80", IMAGE, "sleep", "1000")
    address = cli("inspect", "-f", "{{.NetworkSettings.IPAddress}}", other).out
    told = cli("run", "--name", name, "--link", f"{other}:my-db", IMAGE, "sh", "-c", "env; grep my-db /etc/hosts").lines
    assert told[-1].split() == [address, "my-db", "web", other]
    assert set(told) >= {
        f"MY_DB_PORT=tcp://{address}:80",
        f"MY_DB_PORT_80_TCP_ADDR={address}",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
        f"MY_DB_NAME=/{name}/my-db",
        "MY_DB_ENV_X=1",
    }
    assert cli("inspect", "-f", "{{json .HostConfig.Links}}", name).out == f'["/{other}:/{name}/my-db"]'


def test_whom_one_cannot_link_to(cli: Docker, name: str) -> None:
    missing = cli("run", "--link", f"{name}-no:x", IMAGE, "true", code=125)
    assert f"could not get container for {name}-no: No such container: {name}-no" in missing.err
    cli("create", "--name", f"{name}-idle", IMAGE, "true")
    idle = cli("run", "--name", name, "--link", f"{name}-idle:x", IMAGE, "true", code=125)
    assert f"Cannot link to a non running container: /{name}-idle AS /{name}/x" in idle.err
