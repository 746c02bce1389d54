"""What all connections of an engine share: the sessions of its clients, its builds under way, and the services."""

from typing import TYPE_CHECKING

from grpclib.encoding.proto import ProtoCodec
from grpclib.server import Server

from pier.api.buildkit.control import Control
from pier.api.buildkit.failures import DetailsCodec
from pier.api.buildkit.gateway import Gateway
from pier.api.buildkit.health import health
from pier.api.buildkit.jobs import Jobs
from pier.api.buildkit.sessions import Sessions

if TYPE_CHECKING:
    from pier.api.services import Services


class Hub:
    def __init__(self, services: "Services") -> None:
        self.sessions = Sessions()
        self.jobs = Jobs()
        handlers = (
            Control(services, self.sessions, self.jobs).service(),
            Gateway(services, self.sessions, self.jobs).service(),
            health(),
        )
        self.server = Server(handlers, codec=ProtoCodec(), status_details_codec=DetailsCodec())
