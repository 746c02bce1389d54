"""Every operation of a graph has somebody who performs it."""

from pier.build.graph import Operation
from pier.build.solving.performers import PERFORMERS


def test_every_operation_has_a_performer() -> None:
    assert set(PERFORMERS) == set(Operation.__subclasses__())
