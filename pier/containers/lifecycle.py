"""The verbs that move a container from state to state, in one place for those who call them."""

from pier.containers.kill import kill
from pier.containers.pause import pause, unpause
from pier.containers.resize import resize
from pier.containers.start import start
from pier.containers.stop import restart, stop
from pier.containers.update import update

__all__ = ["kill", "pause", "resize", "restart", "start", "stop", "unpause", "update"]
