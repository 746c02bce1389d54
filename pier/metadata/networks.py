"""Networks and endpoints, in the database."""

import msgspec

from pier.metadata.db import Database
from pier.networks.network import Endpoint, Network

_encode = msgspec.json.Encoder().encode
_network = msgspec.json.Decoder(Network).decode
_endpoint = msgspec.json.Decoder(Endpoint).decode


class SqliteNetworkStore:
    """Implements :class:`pier.networks.store.NetworkStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def networks(self) -> list[Network]:
        with self._database.transaction() as sql:
            return [_network(row["record"]) for row in sql.execute("SELECT record FROM networks ORDER BY rowid")]

    def put_network(self, network: Network) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT INTO networks (id, name, record) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record",
                (network.id, network.name, _encode(network).decode()),
            )

    def delete_network(self, network_id: str) -> None:
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM networks WHERE id = ?", (network_id,))

    def endpoints(self) -> list[Endpoint]:
        with self._database.transaction() as sql:
            return [_endpoint(row["record"]) for row in sql.execute("SELECT record FROM endpoints ORDER BY rowid")]

    def put_endpoint(self, endpoint: Endpoint) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT OR REPLACE INTO endpoints (id, network_id, container_id, record) VALUES (?, ?, ?, ?)",
                (endpoint.id, endpoint.network_id, endpoint.container_id, _encode(endpoint).decode()),
            )

    def delete_endpoints(self, endpoint_ids: list[str]) -> None:
        with self._database.transaction() as sql:
            sql.executemany("DELETE FROM endpoints WHERE id = ?", [(endpoint_id,) for endpoint_id in endpoint_ids])
