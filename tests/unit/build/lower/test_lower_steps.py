"""RUN, COPY, ADD and WORKDIR as vertices."""

from typing import Any

import pytest

from pier.build.dockerfile.fault import Fault
from pier.build.graph import Copy, CopyItem, GitSource, HttpSource, InlineFile, Merge, Mount
from pier.oci.image import ExecutionConfig
from tests.unit.build.lower.drawing import config_of, copies_of, execs_of, graph_of, made_folders_of, steps_of

MOUNTS = [
    ("type=cache,target=/c", Mount("cache", "/c", source="/", id="/c")),
    (
        "type=cache,target=c,id=x,sharing=locked,ro",
        Mount("cache", "/w/c", source="/", read_only=True, id="x", sharing="locked"),
    ),
    ("type=cache,dst=/c,mode=0700,uid=5,gid=6", Mount("cache", "/c", source="/", id="/c", mode=0o700, uid=5, gid=6)),
    ("type=tmpfs,target=/t,size=1m", Mount("tmpfs", "/t", size=1024 * 1024)),
    ("type=secret,id=foo", Mount("secret", "/run/secrets/foo", id="foo")),
    ("type=secret,id=dir/foo", Mount("secret", "/run/secrets/foo", id="dir/foo")),
    ("type=secret,target=/etc/key,required", Mount("secret", "/etc/key", id="key", required=True)),
    ("type=secret,id=foo,env=FOO", Mount("secret", id="foo", env="FOO")),
    ("type=secret,id=foo,env=FOO,target=/f", Mount("secret", "/f", id="foo", env="FOO")),
    ("type=ssh", Mount("ssh", "/run/buildkit/ssh_agent.0", id="default")),
    ("type=ssh,id=gh,target=/s,mode=0600", Mount("ssh", "/s", id="gh", mode=0o600)),
    ("type=bind,source=sub/,target=/b", Mount("bind", "/b", input=1, source="/sub", read_only=True)),
    ("target=/b,rw", Mount("bind", "/b", input=1, source="/", read_only=False)),
    ("type=bind,from=other,source=/x,target=/b", Mount("bind", "/b", input=1, source="/x", read_only=True)),
    ("type=cache,from=other,source=/x,target=/c", Mount("cache", "/c", input=1, source="/x", id="/c")),
    ("type=cache,target=/c/$A", Mount("cache", "/c/arg", source="/", id="/c/arg")),
]


@pytest.mark.parametrize(("text", "mount"), MOUNTS)
def test_mounts(text: str, mount: Mount) -> None:
    [step] = execs_of(f"FROM busybox\nARG A=arg\nENV PWD=x\nWORKDIR /w\nRUN --mount={text} a")
    assert step.mounts == (mount,)


def test_the_first_agent_is_the_one_that_the_step_uses() -> None:
    [step] = execs_of("FROM busybox\nRUN --mount=type=ssh,target=/a --mount=type=ssh,id=b x")
    assert "SSH_AUTH_SOCK=/a" in step.env
    assert [mount.target for mount in step.mounts] == ["/a", "/run/buildkit/ssh_agent.1"]


RUNS: list[tuple[str, tuple[str, ...]]] = [
    ("RUN a b", ("/bin/sh", "-c", "a b")),
    ('RUN ["a","b c"]', ("a", "b c")),
    ('SHELL ["/bin/bash","-o","pipefail","-c"]\nRUN a | b', ("/bin/bash", "-o", "pipefail", "-c", "a | b")),
    ("RUN <<E\na\nb\nE", ("/bin/sh", "-c", "a\nb\n")),
    ("RUN <<A cat && <<B cat\na\nA\nb\nB", ("/bin/sh", "-c", "<<A cat && <<B cat\na\nA\nb\nB")),
    ("RUN cat <<'E' > /x\n$A\nE", ("/bin/sh", "-c", "cat <<'E' > /x\n$A\nE")),
]


@pytest.mark.parametrize(("text", "args"), RUNS)
def test_what_is_run(text: str, args: tuple[str, ...]) -> None:
    [step] = execs_of("FROM busybox\n" + text)
    assert step.args == args


def test_a_script_with_its_own_interpreter_is_a_file() -> None:
    [step] = execs_of("FROM busybox\nRUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF")
    assert step.files == (InlineFile("/dev/pipes/EOF", "#!/usr/bin/env python3\nprint(1)\n"),)
    assert step.args == ("/bin/sh", "-c", "/dev/pipes/EOF")


def test_where_and_as_whom_a_step_runs() -> None:
    [step] = execs_of("FROM busybox\nWORKDIR /a\nWORKDIR b\nUSER me:us\nRUN --network=none x")
    assert (step.cwd, step.user, step.network, step.security) == ("/a/b", "me:us", "none", "sandbox")


@pytest.mark.parametrize(
    ("flags", "request_", "found"),
    [
        ("", {"network": "host"}, ("host", "sandbox")),
        ("--network=default", {"network": "none"}, ("default", "sandbox")),
        ("--network=host", {"entitlements": ("network.host",)}, ("host", "sandbox")),
        ("--security=insecure", {"entitlements": ("security.insecure",)}, ("default", "insecure")),
    ],
)
def test_networks_and_entitlements(flags: str, request_: dict[str, Any], found: tuple[str, str]) -> None:
    [step] = execs_of(f"FROM busybox\nRUN {flags} x", **request_)
    assert (step.network, step.security) == found


def test_a_steps_host_name() -> None:
    [step] = execs_of("FROM busybox\nRUN hostname", build_args={"BUILDKIT_SANDBOX_HOSTNAME": "hoho"})
    assert step.hostname == "hoho"


DESTINATIONS = [
    ("/x", "/x"),
    ("/x/", "/x/"),
    ("x", "/w/x"),
    ("./", "/w/"),
    (".", "/w/"),
    ("../y", "/y"),
    ("/a/../b", "/b"),
    ("/", "/"),
    ("$A/z", "/w/arg/z"),
]


@pytest.mark.parametrize(("dest", "found"), DESTINATIONS)
def test_where_files_land(dest: str, found: str) -> None:
    [copy] = copies_of(f"FROM busybox\nARG A=arg\nWORKDIR /w\nCOPY f {dest}")
    assert copy.dest == found


def test_copying_with_all_options() -> None:
    text = "FROM busybox\nARG U=web\nCOPY --chown=$U:us --chmod=0640 --parents --exclude=*.o a/b c /d/"
    assert copies_of(text) == [
        Copy(
            items=(CopyItem("a/b", 0), CopyItem("c", 0)),
            dest="/d/",
            base=1,
            chown="web:us",
            chmod="0640",
            parents=True,
            exclude=("*.o",),
        )
    ]


def test_a_linked_layer_knows_nothing_of_what_is_below() -> None:
    graph = graph_of("FROM busybox\nRUN a\nCOPY --link f /x")
    other = graph_of("FROM busybox\nRUN b\nCOPY --link f /x")
    assert [each.id for each in steps_of(graph, Copy)] == [each.id for each in steps_of(other, Copy)]
    [merge] = steps_of(graph, Merge)
    assert merge.op == Merge(upper=1, base=0, dest="/x", name="f")
    assert graph.targets[0].root == merge.id


@pytest.mark.parametrize(
    "line",
    [
        "COPY --link --chown=web f /x/",
        "COPY --link --chown=1:web f /x/",
        "COPY --link *.md /x",
        "COPY --link a b /x",
        "ADD --link a.tar /x/",
    ],
)
def test_what_needs_a_look_at_the_base_is_not_linked(line: str) -> None:
    graph = graph_of(f"FROM busybox\n{line}")
    assert steps_of(graph, Merge) == []
    assert copies_of(f"FROM busybox\n{line}")[0].base is not None


@pytest.mark.parametrize("line", ["COPY --link --chown=1:2 *.md /x/", "COPY --link a b .", "ADD --link https://h/f /x"])
def test_what_is_linked(line: str) -> None:
    assert len(steps_of(graph_of(f"FROM busybox\n{line}"), Merge)) == 1


def test_archives_are_unpacked_where_they_are_local() -> None:
    text = (
        "FROM busybox\nADD a.tgz https://h/b.tgz /x/\nADD --unpack=false a.tgz /y\nADD --unpack=true https://h/b.tgz /z"
    )
    assert [[item.unpack for item in copy.items] for copy in copies_of(text)] == [[True, False], [False], [True]]


REMOTE = [
    ("https://h/a/b.txt?x=1", HttpSource(url="https://h/a/b.txt?x=1", name="b.txt")),
    ("https://h/", HttpSource(url="https://h/", name="__unnamed__")),
    ("https://h/r.git", GitSource(url="https://h/r.git")),
    ("https://h/r.git#v1:sub/dir", GitSource(url="https://h/r.git", ref="v1", folder="sub/dir")),
    ("git@h:me/r#main", GitSource(url="git@h:me/r", ref="main")),
    ("ssh://git@h/r", GitSource(url="ssh://git@h/r")),
]


@pytest.mark.parametrize(("source", "op"), REMOTE)
def test_remote_sources(source: str, op: HttpSource | GitSource) -> None:
    [vertex] = steps_of(graph_of(f"FROM busybox\nADD {source} /x/"), type(op))
    assert vertex.op == op


def test_a_checksum_is_for_one_file_by_url() -> None:
    checksum = "sha256:" + "a" * 64
    [vertex] = steps_of(graph_of(f"FROM busybox\nADD --checksum={checksum} https://h/f /f"), HttpSource)
    assert isinstance(vertex.op, HttpSource) and vertex.op.checksum == checksum
    with pytest.raises(Fault, match=r"checksum can't be specified for non-HTTP\(S\) sources"):
        graph_of(f"FROM busybox\nADD --checksum={checksum} f /f")


def test_working_folders_are_made() -> None:
    text = "FROM busybox\nWORKDIR /a\nWORKDIR b/../c\nWORKDIR /"
    assert made_folders_of(text) == ["/a", "/a/c"]
    assert config_of(text).working_dir == "/"


CONFIGS: list[tuple[str, str, Any]] = [
    ("CMD a b", "cmd", ["/bin/sh", "-c", "a b"]),
    ("CMD a\nENTRYPOINT b", "cmd", ["/bin/sh", "-c", "a"]),
    ('ENTRYPOINT ["b"]', "cmd", None),
    ("USER $U", "user", ""),
    ("VOLUME /a\nVOLUME b", "volumes", {"/a": {}, "b": {}}),
    ("EXPOSE 80\nEXPOSE 80 81/udp", "exposed_ports", {"80/tcp": {}, "81/udp": {}}),
    ("LABEL a=1\nLABEL a=2 b=3", "labels", {"a": "2", "b": "3"}),
    ("STOPSIGNAL SIGRTMIN+3", "stop_signal", "SIGRTMIN+3"),
    ('SHELL ["x"]', "shell", ["x"]),
    ("ONBUILD RUN a\nONBUILD USER b", "on_build", ["RUN a", "USER b"]),
    ("CMD x", "args_escaped", True),
    ("ENTRYPOINT x", "args_escaped", False),
]


@pytest.mark.parametrize(("text", "field", "value"), CONFIGS)
def test_config(text: str, field: str, value: Any) -> None:
    assert getattr(config_of("FROM base\n" + text), field) == value


def test_an_entrypoint_lets_go_of_the_bases_command_only() -> None:
    base = ExecutionConfig(cmd=["of the base"])
    assert config_of("FROM base\nENTRYPOINT x", base).cmd is None
    assert config_of("FROM base\nENTRYPOINT x\nCMD mine", base).cmd == ["/bin/sh", "-c", "mine"]


def test_scratch_has_a_config_of_its_own() -> None:
    config = config_of("FROM scratch\nCMD x")
    assert config.working_dir == "/" and config.env and config.env[0].startswith("PATH=")
    assert graph_of("FROM scratch\nCMD x").vertices == {}
