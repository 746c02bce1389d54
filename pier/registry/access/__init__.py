"""Who may do what: users and robots, roles, tokens, limits (the guard that :mod:`pier.registry.http` asks)."""
