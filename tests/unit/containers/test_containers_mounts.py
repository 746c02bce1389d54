import pytest

from pier.containers.config import ContainerConfig
from pier.containers.container import MountPoint
from pier.containers.hostconfig import (
    BindOptions,
    HostConfig,
    MountRequest,
    TmpfsOptions,
    VolumeOptions,
)
from pier.containers.mounts import in_order, plan_mounts, tmpfs_mounts
from pier.containers.mountspec import parse_bind, parse_mount, parse_tmpfs, parse_volumes_from, tmpfs_options
from pier.errors import InvalidArgument, NotFound


def there(path: str) -> bool:
    return path == "/tmp"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "/tmp/:/x/../y/",
            MountPoint(type="bind", source="/tmp", destination="/y", propagation="rprivate", create_source=True),
        ),
        (
            "/tmp:/x:ro,z,rshared",
            MountPoint(
                type="bind", source="/tmp", destination="/x", mode="ro,z,rshared", rw=False, propagation="rshared",
                create_source=True,
            ),
        ),
        ("vol:/x", MountPoint(type="volume", name="vol", destination="/x", driver="local", copy=True)),
        (
            "vol:/x:nocopy,ro",
            MountPoint(type="volume", name="vol", destination="/x", driver="local", mode="nocopy,ro", rw=False),
        ),
        ("/x", MountPoint(type="volume", destination="/x", driver="local", copy=True, anonymous=True)),
    ],
)  # fmt: skip
def test_short_form(text: str, expected: MountPoint) -> None:
    assert parse_bind(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
        (":/x", "invalid volume specification: ':/x'"),
        ("/x:ro", "invalid volume specification: '/x:ro'"),
        ("x:/x:foo", "invalid mode: foo"),
        ("/tmp:/x:ro,rw", "invalid mode: ro,rw"),
        ("/tmp:/x:shared,private", "invalid mode: shared,private"),
        (
            "/tmp:relative",
            "invalid volume specification: '/tmp:relative': invalid mount config for type \"bind\": "
            "invalid mount path: 'relative' mount path must be absolute",
        ),
        (
            "/tmp://",
            "invalid volume specification: '/tmp://': invalid mount config for type \"bind\": "
            "invalid specification: destination can't be '/'",
        ),
    ],
)
def test_short_form_refusals(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_bind(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (MountRequest(type="bind", source="/nope", target="/x"), "bind source path does not exist: /nope"),
        (
            MountRequest(type="bind", source="nope", target="/x"),
            "invalid mount path: 'nope' mount path must be absolute",
        ),
        (MountRequest(type="bind", target="/x"), "field Source must not be empty"),
        (MountRequest(type="bind", source="/tmp", target="x"), "invalid mount path: 'x' mount path must be absolute"),
        (MountRequest(type="bind", source="/tmp"), "field Target must not be empty"),
        (
            MountRequest(type="bind", source="/tmp", target="/x", volume_options=VolumeOptions(no_copy=True)),
            "field VolumeOptions must not be specified",
        ),
        (
            MountRequest(type="bind", source="/tmp", target="/x", bind_options=BindOptions(propagation="foo")),
            "invalid propagation mode: foo",
        ),
        (MountRequest(type="foo", source="/tmp", target="/x"), "mount type unknown"),
        (MountRequest(type="tmpfs", source="/tmp", target="/x"), "field Source must not be specified"),
        (MountRequest(type="volume", target="/"), "invalid specification: destination can't be '/'"),
        (
            MountRequest(type="volume", target="/x", read_only=True),
            "must not set ReadOnly mode when using anonymous volumes",
        ),
        (
            MountRequest(type="volume", source="v", target="/x", volume_options=VolumeOptions(subpath="../y")),
            "subpath must be a relative path within the volume",
        ),
    ],
)
def test_long_form_refusals(request_: MountRequest, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_mount(request_, there)
    assert str(caught.value) == f'invalid mount config for type "{request_.type}": {message}'


def test_long_form() -> None:
    bind = parse_mount(MountRequest(type="bind", source="/tmp", target="/x", read_only=True), there)
    assert (bind.rw, bind.create_source, bind.mode) == (False, False, "")
    made = MountRequest(type="bind", source="/new", target="/x", bind_options=BindOptions(create_mountpoint=True))
    assert parse_mount(made, there).create_source
    tmpfs = MountRequest(type="tmpfs", target="/x", tmpfs_options=TmpfsOptions(size_bytes=4096, mode=0o1700))
    assert parse_mount(tmpfs, there).options == ("noexec", "nosuid", "nodev", "size=4096", "mode=1700")


def test_tmpfs_options() -> None:
    assert tmpfs_options(("exec", "size=1m", "rw", "size=2m")) == ("exec", "nosuid", "nodev", "size=2m", "rw")
    for wrong in ("foo=bar", "foo", "lowerdir=/etc"):
        with pytest.raises(InvalidArgument, match="invalid tmpfs option"):
            parse_tmpfs("/x", wrong)
    with pytest.raises(InvalidArgument, match="mount path must be absolute"):
        parse_tmpfs("x", "")


def test_volumes_from() -> None:
    assert parse_volumes_from("a") == ("a", None)
    assert parse_volumes_from("a:ro") == ("a", False)
    for wrong in ("a:foo", "a:nocopy", ":ro", ""):
        with pytest.raises(InvalidArgument):
            parse_volumes_from(wrong)


OTHERS = (
    MountPoint(type="volume", name="v1", destination="/a", copy=True, anonymous=True),
    MountPoint(type="bind", source="/tmp", destination="/b", rw=False),
)


def plan(host: HostConfig, volumes: dict[str, dict[str, object]] | None = None) -> dict[str, MountPoint]:
    def mounts_of(name: str) -> tuple[MountPoint, ...]:
        if name != "other":
            raise NotFound(f"No such container: {name}")
        return OTHERS

    planned = plan_mounts(ContainerConfig(volumes=volumes), host, mounts_of, there)
    return {mount.destination: mount for mount in planned}


def test_what_takes_whose_place() -> None:
    planned = plan(
        HostConfig(
            volumes_from=("other",),
            binds=("mine:/a", "/tmp:/c"),
            mounts=(MountRequest(type="volume", target="/d"),),
            tmpfs={"/e": ""},
        ),
        volumes={"/c": {}, "/d/": {}, "/e": {}, "/f": {}, "g": {}},
    )
    assert sorted(planned) == ["/a", "/b", "/c", "/d", "/f", "/g"]
    assert planned["/a"].name == "mine"
    assert planned["/c"].type == "bind"
    assert planned["/f"].anonymous and planned["/g"].anonymous


def test_inherited_mounts_are_not_ours_to_fill_or_remove() -> None:
    planned = plan(HostConfig(volumes_from=("other:ro",)))
    assert [mount.rw for mount in planned.values()] == [False, False]
    assert not any(mount.copy or mount.anonymous for mount in planned.values())
    with pytest.raises(NotFound):
        plan(HostConfig(volumes_from=("nobody",)))


@pytest.mark.parametrize(
    "host",
    [
        HostConfig(binds=("/tmp:/x", "v1:/x/")),
        HostConfig(binds=("v1:/x",), mounts=(MountRequest(type="volume", target="/x"),)),
        HostConfig(binds=("v1:/x",), tmpfs={"/x": ""}),
    ],
)
def test_two_mounts_at_one_place(host: HostConfig) -> None:
    with pytest.raises(InvalidArgument, match="Duplicate mount point: /x"):
        plan(host)


def test_parents_come_first() -> None:
    mounts = [MountPoint(type="tmpfs", destination=place) for place in ("/a/b/c", "/z", "/a/b", "/a")]
    assert [mount.destination for mount in in_order(mounts)] == ["/z", "/a", "/a/b", "/a/b/c"]
    assert tmpfs_mounts(HostConfig()) == []
