"""IAM where ministack has none: who may hand a role to a service, and what EventBridge Scheduler does as one.

Touches ministack's private names as ``ministack_patches`` does, and is written for the same version.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam, sts

from infrastructure.aws_local import scheduler_api
from infrastructure.aws_local.eventbridge import Document
from infrastructure.aws_local.firing import RoleRefused


class Judge:
    """Judges requests as ministack does, remembers by whose key, and writes down what was asked.

    ministack itself lets anyone pass any role to a service.
    """

    def __init__(self, enforce: Callable[..., Any], record: Path | None) -> None:
        self._enforce = enforce
        self._record = record
        self._key: ContextVar[str] = ContextVar("key", default="")
        self._seen: set[tuple[str, str, str, bool]] = set()

    def enforce(self, key: str, action: str, service: str, region: str, **more: Any) -> Any:
        """In place of ``iam_evaluator.enforce``: None where the request is allowed."""
        self._key.set(key)
        denied = self._enforce(key, action, service, region, **more)
        if self._record is not None:
            self._write(self._record, action, more.get("resource_arn", "*"), allowed=not denied)
        return denied

    def may_pass(self, role: str, service: str) -> bool:
        """Whether who makes the present request may hand a role to a service (iam:PassRole)."""
        if not app.AUTH or not self._key.get():
            return True
        context = {"iam:PassedToService": service}
        return not self.enforce(
            self._key.get(), "iam:PassRole", "iam", get_region(), resource_arn=role, service_context=context
        )

    def _write(self, record: Path, action: str, resource: str, *, allowed: bool) -> None:
        line = (iam_evaluator.caller_arn(), action, resource, allowed)
        if line in self._seen:
            return
        self._seen.add(line)
        with record.open("a") as stream:
            names = ("principal", "action", "resource", "allowed")
            stream.write(json.dumps(dict(zip(names, line, strict=True))) + "\n")


class Roles:
    """Clients that act as a schedule's execution role. Without AUTH they may do everything."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._secret = secrets.token_hex(32)

    def client(self, document: Document, service: str) -> Any:
        """See ``firing.ClientFor``."""
        _, _, _, region, account, _ = document["Arn"].split(":", 5)
        role = document["Target"]["RoleArn"]
        credentials = self._assume(role, account, document) if app.AUTH else _root(account)
        with self._lock:  # making a client is not safe for threads, using one is
            key = (role, region, service)
            if key not in self._clients:
                config = Config(retries={"max_attempts": 0}, max_pool_connections=32)
                self._clients[key] = boto3.client(
                    service, endpoint_url=self._endpoint, region_name=region, config=config, **credentials
                )
            return self._clients[key]

    def _assume(self, role: str, account: str, document: Document) -> dict[str, str]:
        """A session of the role, as AssumeRole would give it to the service's principal."""
        if not role_trusts(role, account, _group_arn(document)):
            raise RoleRefused(f"{role} does not exist, or does not trust scheduler.amazonaws.com")
        digest = hashlib.sha256(f"{role} {self._secret}".encode()).hexdigest()
        name = role.rsplit("/", 1)[-1]
        session = {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/scheduler",
            "UserId": f"{name}:scheduler",
            "SecretAccessKey": digest[16:],
            "SessionToken": digest,
        }
        access_key = f"ASIA{digest[:16].upper()}"
        sts.register_session(access_key, session)
        return {
            "aws_access_key_id": access_key,
            "aws_secret_access_key": session["SecretAccessKey"],
            "aws_session_token": session["SessionToken"],
        }


def _root(account: str) -> dict[str, str]:
    return {"aws_access_key_id": account, "aws_secret_access_key": "unused"}


def _group_arn(document: Document) -> str:
    arn = document["Arn"].rsplit("/", 1)[0]
    return str(arn.replace(":schedule/", ":schedule-group/"))


def role_trusts(role_arn: str, account: str, group_arn: str) -> bool:
    """Whether there is such a role that lets EventBridge Scheduler assume it for a group's schedules."""
    role = iam._roles._data.get((account, role_arn.rsplit("/", 1)[-1]))
    if role is None or role["Arn"] != role_arn:
        return False
    policy = role["AssumeRolePolicyDocument"] or "{}"
    return scheduler_api.trusts_scheduler(
        json.loads(policy) if isinstance(policy, str) else policy, account, group_arn
    )
