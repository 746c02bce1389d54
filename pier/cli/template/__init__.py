"""Go's text/template over JSON values: what ``--format`` takes. ``parse`` to nodes, ``execute`` over data."""
