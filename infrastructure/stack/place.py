"""Where a stage stands, and the ARNs of what stands there.

A policy names its resources by these instead of by the resources' own outputs: a function's role and the
function would otherwise wait for each other, and a policy could not be read without running Pulumi.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws

from rez_agent.aws.names import Names


@dataclass(frozen=True, slots=True)
class Place:
    """A partition (``aws``, ``aws-cn``, ...), an account, a region, and the names of a stage."""

    partition: str
    account: str
    region: str
    names: Names

    def table(self, what: str) -> str:
        """A table."""
        return self._arn("dynamodb", f"table/{self.names(what)}")

    def index(self, what: str, name: str) -> str:
        """An index of a table."""
        return f"{self.table(what)}/index/{name}"

    def topic(self, what: str) -> str:
        """A topic."""
        return self._arn("sns", self.names(what))

    def queue(self, what: str) -> str:
        """A queue."""
        return self._arn("sqs", self.names(what))

    def function(self, what: str) -> str:
        """A function, without a version."""
        return self._arn("lambda", f"function:{self.names(what)}")

    def log_streams(self, what: str) -> str:
        """The streams of a function's log group."""
        return self._arn("logs", f"log-group:/aws/lambda/{self.names(what)}:*")

    @property
    def schedules(self) -> str:
        """Every schedule of the stage's group."""
        return self._arn("scheduler", f"schedule/{self.names.schedule_group}/*")

    @property
    def secrets(self) -> str:
        """Every secret of the stage."""
        return self._arn("secretsmanager", f"secret:{self.names.secrets_prefix}*")

    @property
    def execution_role(self) -> str:
        """The role that EventBridge Scheduler assumes to fire."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.names.execution_role}"

    @property
    def bucket_name(self) -> str:
        """The bucket of large payloads. Bucket names are shared by all accounts, hence the number."""
        return f"{self.names('blobs')}-{self.account}"

    @property
    def bucket(self) -> str:
        """The bucket of large payloads."""
        return f"arn:{self.partition}:s3:::{self.bucket_name}"

    @property
    def objects(self) -> str:
        """Everything in that bucket."""
        return f"{self.bucket}/*"

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def this_place(names: Names) -> Place:
    """Where Pulumi is deploying to."""
    return Place(
        partition=aws.get_partition().partition,
        account=aws.get_caller_identity().account_id,
        region=aws.get_region().region,
        names=names,
    )
