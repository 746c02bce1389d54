"""Instructions that change a config, as docker import and docker commit take them."""

from typing import Any

import pytest

from pier.errors import InvalidArgument
from pier.images.changes import apply_changes
from pier.oci.image import ExecutionConfig, Healthcheck

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["CMD echo hi"], {"cmd": ["/bin/sh", "-c", "echo hi"]}),
        (['CMD ["a", "b c"]'], {"cmd": ["a", "b c"]}),
        (["cmd [not json"], {"cmd": ["/bin/sh", "-c", "[not json"]}),
        (['SHELL ["bash", "-c"]', "CMD x"], {"shell": ["bash", "-c"], "cmd": ["bash", "-c", "x"]}),
        (['ENTRYPOINT ["/e"]'], {"entrypoint": ["/e"]}),
        (["ENV A=b C=\"d e\" F='g h' I=j\\ k"], {"env": ["A=b", "C=d e", "F=g h", "I=j k"]}),
        (["ENV A the whole value"], {"env": ["A=the whole value"]}),
        (["ENV A=1", "ENV B=2", "ENV A=3"], {"env": ["A=3", "B=2"]}),
        (["ENV A=", 'ENV B=""'], {"env": ["A=", "B="]}),
        (["LABEL a=b c=d", "LABEL a=x"], {"labels": {"a": "x", "c": "d"}}),
        (
            ["EXPOSE 80 53/udp 8000-8002"],
            {"exposed_ports": {p: {} for p in ("80/tcp", "53/udp", "8000/tcp", "8001/tcp", "8002/tcp")}},
        ),
        (["VOLUME /a /b"], {"volumes": {"/a": {}, "/b": {}}}),
        (['VOLUME ["/a b"]'], {"volumes": {"/a b": {}}}),
        (["WORKDIR /a", "WORKDIR b"], {"working_dir": "/a/b"}),
        (["USER me:us"], {"user": "me:us"}),
        (["STOPSIGNAL SIGINT"], {"stop_signal": "SIGINT"}),
        (["ONBUILD RUN x", "ONBUILD ADD a b"], {"on_build": ["RUN x", "ADD a b"]}),
        (["HEALTHCHECK NONE"], {"healthcheck": Healthcheck(test=["NONE"])}),
        (
            ["HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl x"],
            {
                "healthcheck": Healthcheck(
                    test=["CMD-SHELL", "curl x"], interval=90 * SECOND, timeout=SECOND // 2, retries=3
                )
            },
        ),
        (['HEALTHCHECK CMD ["a"]'], {"healthcheck": Healthcheck(test=["CMD", "a"])}),
    ],
)
def test_changes(changes: list[str], expected: dict[str, Any]) -> None:
    assert apply_changes(ExecutionConfig(), changes) == ExecutionConfig(**expected)


def test_what_is_there_already_is_kept() -> None:
    base = ExecutionConfig(env=["PATH=/bin", "A=1"], cmd=["sh"], labels={"x": "y"})
    changed = apply_changes(base, ["ENV A=2", "LABEL z=1"])
    assert (changed.env, changed.cmd, changed.labels) == (["PATH=/bin", "A=2"], ["sh"], {"x": "y", "z": "1"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("FOO bar", "FOO is not a valid change command"),
        ("", " is not a valid change command"),
        ("RUN x", "RUN is not a valid change command"),
        ("CMD", "CMD requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=b c", "Syntax error - can't find = in 'c'. Must be of the form: name=value"),
        ("EXPOSE x", "invalid containerPort: x"),
        ("EXPOSE 70000", "invalid range format for --expose: 70000, error: invalid port range"),
        ("EXPOSE 9-8", "invalid range format for --expose: 9-8, error: invalid port range"),
        ("SHELL bash", "SHELL requires the arguments to be in JSON form"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK x", 'Unknown type "x" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK --interval=x CMD y", 'time: invalid duration "x"'),
        ("HEALTHCHECK --foo=1 CMD y", "Unknown flag: foo"),
    ],
)
def test_refusals(change: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        apply_changes(ExecutionConfig(), [change])
    assert str(caught.value) == message
