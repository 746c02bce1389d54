"""Vertices of sources that come over the network."""

from pier.build.graph import GitSource, HttpSource, Vertex, vertex_id
from pier.oci.platform import Platform


def vertex_of(op: HttpSource | GitSource) -> Vertex:
    return Vertex(vertex_id(op, (), Platform()), op, (), f"ADD {op.url}", Platform())
