"""The wall to the kernel: ctypes, netlink, nftables and mounts live here and nowhere else."""
