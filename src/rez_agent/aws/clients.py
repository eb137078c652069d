"""Clients of AWS's services, each made when it is first used.

They are botocore's own: boto3 is the same with resources on top, which nothing here uses and every cold
start would pay for. Endpoint, region and credentials come from where botocore looks for them
(``AWS_ENDPOINT_URL`` among others).
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config

CONNECT_SECONDS = 2
READ_SECONDS = 6
"""How long one try of a call may take: after :data:`TRIES` it has failed well within an API's 29 seconds."""

TRIES = 3
CONNECTIONS = 20
"""Connections kept open to each service: no fewer than threads that may use one."""


class Clients:
    """One client a service, made once. Safe for several threads, as the clients themselves are."""

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._lock = Lock()
        self.dynamodb = LateClient(self, "dynamodb")
        self.s3 = LateClient(self, "s3")
        self.scheduler = LateClient(self, "scheduler")
        self.secretsmanager = LateClient(self, "secretsmanager")
        self.sns = LateClient(self, "sns")
        self.sqs = LateClient(self, "sqs")

    def make(self, service: str) -> Any:
        """A new client."""
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=CONNECTIONS,
        )
        with self._lock:  # a session is not made for two threads at once
            return self._session.create_client(service, config=config)


class LateClient:
    """Stands for a client until one of its operations is asked for."""

    def __init__(self, clients: Clients, service: str) -> None:
        self._clients = clients
        self._service = service
        self._lock = Lock()
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made(), name)

    def made(self) -> Any:
        """The client itself."""
        with self._lock:
            if self._client is None:
                self._client = self._clients.make(self._service)
        return self._client
