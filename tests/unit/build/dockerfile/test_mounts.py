"""``RUN --mount``: the words are Docker 26's, where it has the option."""

import pytest

from pier.build.dockerfile.mounts import MountError, RawMount, check_mount, parse_mount

GOOD = [
    ("target=/x", RawMount(target="/x")),
    ("type=bind,target=x,rw", RawMount(target="x", read_only=False)),
    ("type=bind,target=/x,rw=false", RawMount(target="/x")),
    ("type=bind,target=/x,rw=t,from=", RawMount(target="/x", read_only=False)),
    ("source=a,src=b,destination=/x,dst=/y", RawMount(source="b", target="/y")),
    ('type=bind,"target=/x,y"', RawMount(target="/x,y")),
    ('type=bind,"target=/x""y"', RawMount(target='/x"y')),
    ("TYPE=Cache,Target=/x", RawMount(type="cache", target="/x", read_only=False)),
    ("type=bind,target=/x,type=cache", RawMount(type="cache", target="/x", read_only=False)),
    (
        "type=cache,target=/x,sharing=LOCKED,id=a,mode=0755,uid=1,gid=2,ro",
        RawMount(type="cache", target="/x", sharing="locked", id="a", mode=0o755, uid=1, gid=2),
    ),
    ("type=cache,target=/x,readonly,readwrite", RawMount(type="cache", target="/x", read_only=False)),
    ("type=tmpfs,target=/x,size=1g", RawMount(type="tmpfs", target="/x", size=1 << 30, read_only=False)),
    ("type=tmpfs,target=/x,size=10MB,ro", RawMount(type="tmpfs", target="/x", size=10 << 20)),
    ("type=tmpfs,target=/x,size=1.5k", RawMount(type="tmpfs", target="/x", size=1536, read_only=False)),
    ("type=secret,id=a,required", RawMount(type="secret", id="a", required=True)),
    ("type=secret,id=a,required=false,mode=0400", RawMount(type="secret", id="a", mode=0o400)),
    ("type=secret,id=a,env=FOO", RawMount(type="secret", id="a", env="FOO")),
    ("type=ssh", RawMount(type="ssh")),
    ("type=ssh,id=x,required,mode=0777,uid=1", RawMount(type="ssh", id="x", required=True, mode=0o777, uid=1)),
]


@pytest.mark.parametrize(("text", "mount"), GOOD)
def test_options(text: str, mount: RawMount) -> None:
    check_mount(text)
    assert parse_mount(text) == mount


BAD = [
    ("", "failed to parse csv mounts: EOF"),
    (
        'type=bind,target="/x"',
        'failed to parse csv mounts: parse error on line 1, column 18: bare " in non-quoted-field',
    ),
    ('"a"b', 'failed to parse csv mounts: parse error on line 1, column 3: extraneous or missing " in quoted-field'),
    ("foo", "invalid field 'foo' must be a key=value pair"),
    ("type=bind,target=/x,", "invalid field '' must be a key=value pair"),
    ("type=foo,target=/x", 'unsupported mount type "foo"'),
    ("type=cach,target=/x", 'unsupported mount type "cach" (did you mean cache?)'),
    ("type=npipe,target=/x", 'unsupported mount type "npipe"'),
    ("target=/x,foo=bar", "unexpected key 'foo' in 'foo=bar' (did you mean from?)"),
    ("target=/x,consistency=cached", "unexpected key 'consistency' in 'consistency=cached'"),
    ("target=/x,ro=maybe", "invalid value for ro: maybe"),
    ("target=/x,readwrite=", "invalid value for readwrite: "),
    ("type=cache,target=/x,sharing=foo", 'unsupported sharing value "foo"'),
    ("type=cache,target=/x,mode=abc", "invalid value abc for mode"),
    ("type=cache,target=/x,mode=999", "invalid value 999 for mode"),
    ("type=cache,target=/x,uid=a", "invalid value a for uid"),
    ("type=cache,target=/x,gid=-1", "invalid value -1 for gid"),
    ("type=tmpfs,target=/x,size=zz", "invalid value for size: zz"),
    ("type=tmpfs,target=/x,size=-1", "invalid value for size: -1"),
    ("type=tmpfs,target=/x,mode=1", 'mode not allowed for "tmpfs" type mounts'),
    ("type=tmpfs,target=/x,sharing=shared", "invalid cache sharing set for tmpfs mount"),
    ("type=secret", "invalid secret mount. one of source, target required"),
    ("type=secret,id=a,required=foo", "invalid value for required: foo"),
    ("type=secret,id=a,source=b", "both source and id can't be set"),
    ("type=secret,id=a,from=busybox", "secret mount should not have a from"),
    ("type=secret,id=a,sharing=shared", "secret mount should not define sharing"),
    ("type=secret,id=a,size=1", "unexpected key 'size' for mount type 'secret'"),
    ("type=ssh,source=a", "ssh does not support source"),
    ("type=ssh,sharing=shared", "invalid cache sharing set for ssh mount"),
    ("target=/x,required", "unexpected key 'required' for mount type 'bind'"),
    ("target=/x,uid=1", 'uid not allowed for "bind" type mounts'),
    ("target=/x,env=a", "unexpected key 'env' for mount type 'bind'"),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(MountError) as caught:
        parse_mount(text)
    assert str(caught.value) == words


def test_values_are_expanded_and_from_is_not() -> None:
    assert parse_mount("type=cache,target=$A,id=$A", lambda value: value.replace("$A", "/x,y")) == RawMount(
        type="cache", target="/x,y", id="/x,y", read_only=False
    )
    with pytest.raises(MountError, match="'from' doesn't support variable expansion, define alias stage instead"):
        check_mount("from=$A,target=/x")
