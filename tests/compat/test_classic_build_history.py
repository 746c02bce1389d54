"""What an image of the classic builder tells of how it was made, and what the build says meanwhile."""

import re
from pathlib import Path

from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker

CLASSIC = {"DOCKER_BUILDKIT": "0"}

DOCKERFILE = f"""FROM {IMAGE}
ARG q=1
ENV a=b c=d
LABEL x=y z=w
MAINTAINER me <a@b>
USER root
VOLUME /v /w
EXPOSE 90/udp 80
WORKDIR /new
COPY f g /x/
COPY --chown=root:root f /z
RUN echo $q > /o
RUN ["true","a b"]
HEALTHCHECK --interval=5s CMD true
STOPSIGNAL 9
SHELL ["/bin/sh","-c"]
ONBUILD RUN echo t
ENTRYPOINT ["a"]
CMD echo hi
"""

HISTORY = [
    "/bin/sh -c #(nop)  ARG q=1",
    "/bin/sh -c #(nop)  ENV a=b c=d",
    "/bin/sh -c #(nop)  LABEL x=y z=w",
    "/bin/sh -c #(nop)  MAINTAINER me <a@b>",
    "/bin/sh -c #(nop)  USER root",
    "/bin/sh -c #(nop)  VOLUME [/v /w]",
    "/bin/sh -c #(nop)  EXPOSE 80 90/udp",
    "/bin/sh -c #(nop) WORKDIR /new",
    "/bin/sh -c #(nop) COPY SOURCES in /x/ ",
    "/bin/sh -c #(nop) COPY --chown=root:root SOURCES in /z ",
    "|1 q=1 /bin/sh -c echo $q > /o",
    "|1 q=1 true a b",
    '/bin/sh -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "true"] "5s" "0s" "0s" "0s" \'\\x00\'}',
    "/bin/sh -c #(nop)  STOPSIGNAL 9",
    "/bin/sh -c #(nop)  SHELL [/bin/sh -c]",
    "/bin/sh -c #(nop)  ONBUILD RUN echo t",
    '/bin/sh -c #(nop)  ENTRYPOINT ["a"]',
    '/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "echo hi"]',
    "/bin/sh -c #(nop)  LABEL k=v",
    "/bin/sh -c #(nop)  LABEL l=1 2",
]
"""Docker has digests for the sources of a COPY, Pier their names: they are cut out."""


def test_history(cli: Docker, name: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    for file in ("f", "g"):
        (tmp_path / file).write_text(file)
    cli("build", "-q", "-t", name, "--label", "k=v", "--label", "l=1 2", str(tmp_path), env=CLASSIC)
    shown = cli("history", "--no-trunc", "--format", "[{{.CreatedBy}}] [{{.Comment}}]", name).lines
    found = [re.sub(r"(COPY (?:--\S+ )?).* in ", r"\1SOURCES in ", line) for line in reversed(shown)]
    assert found[-len(HISTORY) :] == [f"[{text}] []" for text in HISTORY]
    config = cli("inspect", "-f", "{{json .Config}}", name).out
    assert "ArgsEscaped" not in config
    cli("rmi", "-f", name)


def test_the_last_step_names_the_image(cli: Docker, name: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo {name}\nENV a=b\nCMD x\n")
    shown = cli("build", "-t", name, str(tmp_path), env=CLASSIC).out
    ran = r" ---> Running in \w{12}\n ---> Removed intermediate container \w{12}\n"
    image = cli("inspect", "-f", "{{.Id}}", name).out.removeprefix("sha256:")[:12]
    assert re.search(rf"Step 3/4 : ENV a=b\n{ran} ---> \w+\nStep 4/4 : CMD x\n{ran} ---> {image}\nSuccess", shown)
    again = cli("build", "-t", name, str(tmp_path), env=CLASSIC).out
    assert again.count(" ---> Using cache\n") == 3
    assert "Running in" not in again
    cli("rmi", "-f", name)


def test_triggers_and_folders(cli: Docker, name: str, tmp_path: Path) -> None:
    lines = [
        f"FROM {IMAGE} AS base",
        "RUN mkdir /old && chmod 700 /old && chown 7:8 /old",
        "WORKDIR /old",
        "HEALTHCHECK --retries=3 CMD true",
        "HEALTHCHECK NONE",
        f"ONBUILD RUN echo {name}",
        "ONBUILD ENV z=1",
    ]
    (tmp_path / "Dockerfile").write_text("\n".join(lines))
    cli("build", "-q", "-t", name, str(tmp_path), env=CLASSIC)
    (tmp_path / "Dockerfile").write_text(f"FROM {name}\nUSER 0\n")
    shown = cli("build", "-t", f"{name}:2", str(tmp_path), env=CLASSIC).out
    assert re.search(rf" ---> Running in \w+\n{name}\n ---> Removed intermediate container \w+\n", shown)
    history = cli("history", "--no-trunc", "--format", "{{.CreatedBy}}", f"{name}:2").lines
    assert history[:5] == [
        "/bin/sh -c #(nop)  USER 0",
        "/bin/sh -c #(nop)  ENV z=1",
        f"/bin/sh -c echo {name}",
        "/bin/sh -c #(nop)  ONBUILD ENV z=1",
        f"/bin/sh -c #(nop)  ONBUILD RUN echo {name}",
    ]
    assert (
        cli("inspect", "-f", "{{json .Config.OnBuild}} {{.Config.Healthcheck.Test}}", f"{name}:2").out == "null [NONE]"
    )
    assert cli("run", "--rm", f"{name}:2", "stat", "-c", "%u:%g %a", ".").out == "7:8 700"
    cli("rmi", "-f", name, f"{name}:2")
