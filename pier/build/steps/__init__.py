"""Running a RUN: its container's spec, mounts and network, its output, and how it fails."""
