"""Networks: a container's link to the world, its addresses, its firewall rules and published ports."""
