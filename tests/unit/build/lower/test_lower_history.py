"""History as the real BuildKit writes it: each row was taken from ``docker history --no-trunc`` of Docker 26."""

import pytest

from tests.unit.build.lower.drawing import PATH, history_of, target_of

ROWS = [
    ("RUN echo hi", ["RUN /bin/sh -c echo hi # buildkit"]),
    ('RUN ["echo","exec form"]', ["RUN echo exec form # buildkit"]),
    ("ARG V=1\nARG W\nRUN a", ["(ARG V=1)", "(ARG W)", "RUN |2 V=1 W= /bin/sh -c a # buildkit"]),
    ("ARG A=1 B=$A\nRUN a", ["(ARG A=1 B=)", "RUN |2 A=1 B= /bin/sh -c a # buildkit"]),
    (
        'ARG A=1 D="$A $PATH"\nARG A\nRUN a',
        [f"(ARG A=1 D= {PATH})", "(ARG A)", f"RUN |3 A=1 D= {PATH} A=1 /bin/sh -c a # buildkit"],
    ),
    ("ARG A=arg\nENV A=env\nRUN a", ["(ARG A=arg)", "(ENV A=env)", "RUN |1 A=env /bin/sh -c a # buildkit"]),
    ('ENV A=b C="d e"', ["(ENV A=b C=d e)"]),
    ('LABEL l1=v1 "l 2"="v 2"', ["(LABEL l1=v1 l 2=v 2)"]),
    ("WORKDIR app\nWORKDIR sub\nWORKDIR /", ["WORKDIR /app", "WORKDIR /app/sub", "(WORKDIR /)"]),
    ("WORKDIR /a/../b/", ["WORKDIR /a/../b/"]),
    ("COPY f g.md /dst/", ["COPY f g.md /dst/ # buildkit"]),
    ("COPY --chown=1:2 --chmod=600 f ./x", ["COPY --chown=1:2 --chmod=600 f ./x # buildkit"]),
    ("COPY --from=other --link /f* /l/", ["COPY /f* /l/ # buildkit"]),
    ('COPY <<"E" <<F f /d/\na\nE\nb\nF', ["COPY f <<E <<F /d/ # buildkit"]),
    ("ADD sub /sub/", ["ADD sub /sub/ # buildkit"]),
    ("USER 1000:1000", ["(USER 1000:1000)"]),
    ("EXPOSE 80/TCP 90:91 90-92/udp", ["(EXPOSE map[80/tcp:{} 90/udp:{} 91/tcp:{} 91/udp:{} 92/udp:{}])"]),
    ("VOLUME /data /more", ["(VOLUME [/data /more])"]),
    ('SHELL ["a b","c"]', ["(SHELL [a b c])"]),
    ("CMD echo hi", ['(CMD ["/bin/sh" "-c" "echo hi"])']),
    ('CMD ["a b", "c\\"d"]', ['(CMD ["a b" "c\\"d"])']),
    ('ENTRYPOINT ["/e"]', ['(ENTRYPOINT ["/e"])']),
    (
        "HEALTHCHECK --interval=5s CMD true",
        ['(HEALTHCHECK &{["CMD-SHELL" "true"] "5s" "0s" "0s" "0s" \'\\x00\'})'],
    ),
    (
        'HEALTHCHECK --retries=11 --timeout=1m30s --start-period=1h CMD ["x","y"]',
        ['(HEALTHCHECK &{["CMD" "x" "y"] "0s" "1m30s" "1h0m0s" "0s" \'\\v\'})'],
    ),
    ("HEALTHCHECK NONE", ['(HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" \'\\x00\'})']),
    ("STOPSIGNAL SIGINT", ["(STOPSIGNAL SIGINT)"]),
    ("MAINTAINER me <me@x>", ["(MAINTAINER me <me@x>)"]),
    ("ONBUILD RUN  a   b", []),
    ("RUN <<E\necho hi\necho ho\nE", ["RUN /bin/sh -c echo hi\necho ho\n # buildkit"]),
    ("RUN <<E cat\ntext\nE", ["RUN /bin/sh -c <<E cat\ntext\nE # buildkit"]),
    ("RUN <<E\n#!/bin/sh\necho hi\nE", ["RUN /bin/sh -c /dev/pipes/E # buildkit"]),
]


@pytest.mark.parametrize(("instructions", "history"), ROWS)
def test_history(instructions: str, history: list[str]) -> None:
    assert history_of("FROM busybox\n" + instructions) == history


def test_arguments_of_the_build_are_shown_with_what_the_client_gave() -> None:
    found = history_of("FROM busybox\nARG A=arg B=2\nRUN a", build_args={"B": "3"})
    assert found == ["(ARG A=arg B=2)", "RUN |2 A=arg B=3 /bin/sh -c a # buildkit"]


def test_arguments_of_a_base_stage_are_not_shown() -> None:
    found = history_of("FROM busybox AS a\nARG V=1\nFROM a\nRUN b")
    assert found == ["(ARG V=1)", "RUN /bin/sh -c b # buildkit"]


def test_proxies_are_nowhere() -> None:
    target = target_of("FROM busybox\nRUN a", build_args={"http_proxy": "http://user:secret@proxy"})
    assert "secret" not in repr(target)


def test_history_begins_with_that_of_the_base() -> None:
    assert [entry.comment for entry in target_of("FROM busybox\nRUN a").history] == ["base", "buildkit.dockerfile.v0"]
