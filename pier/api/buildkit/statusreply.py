"""Pier's events of a build to BuildKit's ``StatusResponse`` (pure)."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from pier.api.buildkit.proto import control_pb2, llb_pb2
from pier.build.dockerfile.ast import Warning
from pier.build.progress import Event, LintWarning, LogPiece, StatusState, VertexState


def status_reply(events: Iterable[Event], now: int) -> control_pb2.StatusResponse:
    """``now``: ns since 1970. Of several states of one vertex in ``events``, the newest is told."""
    vertexes: dict[str, VertexState] = {}
    statuses: dict[tuple[str, str], StatusState] = {}
    reply = control_pb2.StatusResponse()
    for event in events:
        if isinstance(event, VertexState):
            vertexes[event.id] = event
        elif isinstance(event, StatusState):
            statuses[event.vertex, event.id] = event
        elif isinstance(event, LogPiece):
            reply.logs.append(_log(event))
        else:
            reply.warnings.append(_warning(event))
    reply.vertexes.extend(_vertex(state) for state in vertexes.values())
    reply.statuses.extend(_status(state, now) for state in statuses.values())
    return reply


def timestamp(ns: int) -> Timestamp | None:
    """None for 0: not yet."""
    return Timestamp(seconds=ns // 10**9, nanos=ns % 10**9) if ns else None


def _vertex(state: VertexState) -> control_pb2.Vertex:
    return control_pb2.Vertex(
        digest=state.id,
        inputs=state.inputs,
        name=state.name,
        cached=state.cached,
        started=timestamp(state.started),
        completed=timestamp(state.completed),
        error=state.error,
    )


def _status(state: StatusState, now: int) -> control_pb2.VertexStatus:
    return control_pb2.VertexStatus(
        ID=state.name if state.id == "" else state.id,
        vertex=state.vertex,
        name=state.name,
        current=state.current,
        total=state.total,
        timestamp=timestamp(state.completed or now),
        started=timestamp(state.started),
        completed=timestamp(state.completed),
    )


def _log(piece: LogPiece) -> control_pb2.VertexLog:
    return control_pb2.VertexLog(
        vertex=piece.vertex, timestamp=timestamp(piece.time), stream=piece.stream, msg=piece.data
    )


def _warning(event: LintWarning) -> control_pb2.VertexWarning:
    warning = event.warning
    location = warning.location
    return control_pb2.VertexWarning(
        vertex=event.vertex,
        level=1,
        short=_short(warning).encode(),
        detail=[warning.description.encode()] if warning.description else [],
        url=warning.url,
        info=llb_pb2.SourceInfo(filename=location.file, data=event.source.encode()),
        ranges=[llb_pb2.Range(start=llb_pb2.Position(line=location.first), end=llb_pb2.Position(line=location.last))],
    )


def _short(warning: Warning) -> str:
    """In the one line that BuildKit's linter makes of it."""
    return f"{warning.rule}: {warning.message} (line {warning.location.first})" if warning.rule else warning.message
