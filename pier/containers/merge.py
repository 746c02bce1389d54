"""A container's configuration on top of its image's (pure)."""

from typing import TypeVar

import msgspec

from pier.containers.config import ContainerConfig, HealthConfig, Strings
from pier.oci.image import ExecutionConfig, Healthcheck

V = TypeVar("V")


def merge(config: ContainerConfig, image: ExecutionConfig) -> ContainerConfig:
    """What the container runs with: what the request leaves out comes from the image.

    Command and entrypoint follow Docker's rule: an entrypoint of the request's own discards the image's command;
    ``[""]`` means no entrypoint at all. Maps are joined, the request's members winning.
    """
    entrypoint, cmd = _command(config, image)
    return msgspec.structs.replace(
        config,
        user=config.user or image.user,
        exposed_ports=_joined(image.exposed_ports, config.exposed_ports),
        env=merge_env(image.env, config.env),
        cmd=cmd,
        entrypoint=entrypoint,
        volumes=_joined(image.volumes, config.volumes),
        working_dir=config.working_dir or image.working_dir,
        labels=_joined(image.labels, config.labels) or {},
        stop_signal=config.stop_signal or image.stop_signal,
        stop_timeout=image.stop_timeout if config.stop_timeout is None else config.stop_timeout,
        shell=config.shell or (tuple(image.shell) if image.shell else None),
        healthcheck=_health(config.healthcheck, image.healthcheck),
        on_build=tuple(image.on_build) if image.on_build else config.on_build,
    )


def command(config: ContainerConfig) -> tuple[str, Strings]:
    """(path, arguments) of a merged configuration that has any."""
    path, *arguments = (*(config.entrypoint or ()), *(config.cmd or ()))
    return path, tuple(arguments)


def merge_env(image: list[str] | None, wanted: Strings | None) -> Strings | None:
    """The request's variables, then those of the image that it does not name; None when neither has any."""
    if not image:
        return wanted
    named = {text.partition("=")[0] for text in wanted or ()}
    return (*(wanted or ()), *(text for text in image if text.partition("=")[0] not in named))


def _command(config: ContainerConfig, image: ExecutionConfig) -> tuple[Strings | None, Strings | None]:
    if config.entrypoint:
        return (None if config.entrypoint == ("",) else config.entrypoint), config.cmd
    cmd = config.cmd or (tuple(image.cmd) if image.cmd else config.cmd)
    if config.entrypoint is None and image.entrypoint:
        return tuple(image.entrypoint), cmd
    return config.entrypoint or None, cmd


def _joined(below: dict[str, V] | None, above: dict[str, V] | None) -> dict[str, V] | None:
    return {**below, **(above or {})} if below else above


def _health(wanted: HealthConfig | None, image: Healthcheck | None) -> HealthConfig | None:
    if image is None:
        return wanted
    if wanted is None:
        wanted = HealthConfig()
    return HealthConfig(
        test=wanted.test or tuple(image.test) or None,
        interval=wanted.interval or image.interval,
        timeout=wanted.timeout or image.timeout,
        start_period=wanted.start_period or image.start_period,
        start_interval=wanted.start_interval or image.start_interval,
        retries=wanted.retries or image.retries,
    )
