"""What the vertices of a graph do: a module an operation."""
