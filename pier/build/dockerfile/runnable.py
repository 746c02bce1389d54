"""Whether the steps of a graph can run on this host (pure)."""

from collections.abc import Callable, Mapping

from pier.build.dockerfile.fault import Fault
from pier.build.graph import Exec, Graph
from pier.oci.platform import Platform


def check_runnable(graph: Graph, sources: Mapping[str, str], can_run: Callable[[Platform], bool]) -> None:
    """Raises Fault for the first RUN whose platform the host cannot run, before any work is done."""
    known: dict[Platform, bool] = {}
    for vertex in graph.vertices.values():
        if not isinstance(vertex.op, Exec):
            continue
        if vertex.platform not in known:
            known[vertex.platform] = can_run(vertex.platform)
        if not known[vertex.platform]:
            reason = (
                f"RUN for {vertex.platform} cannot run on this host (exec format error): "
                "no interpreter for it is registered in /proc/sys/fs/binfmt_misc"
            )
            raise Fault(reason, vertex.location, sources)
