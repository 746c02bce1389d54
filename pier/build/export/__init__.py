"""Where the result of a build goes: a module a form."""
