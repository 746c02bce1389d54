"""Building images: from a Dockerfile and a context to layers and an image's config.

The passes, each a module or a package that can be read and tested alone::

    dockerfile.parse   text                 -> dockerfile.ast         (pure)
    dockerfile.lint    ast                  -> warnings               (pure)
    resolve            names of images      -> their configs
    dockerfile.lower   ast, configs, request -> graph                 (pure)
    solver             graph                -> root file systems      (cache, ops)
    export             root file systems    -> an image, a tar, a folder

``build.build`` runs them. ``request`` is what a client asks for, ``session`` what can be asked of the client
meanwhile, ``progress`` what it is told.
"""
