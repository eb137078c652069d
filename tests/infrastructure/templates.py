"""A template as AWS would see it once it is deployed: every name and ARN in place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

Template = dict[str, Any]
Resource = dict[str, Any]

ACCOUNT = "123456789012"
REGION = "eu-central-1"
PSEUDO = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::Region": REGION}

_REF = {
    "AWS::DynamoDB::Table": "{TableName}",
    "AWS::IAM::Role": "{RoleName}",
    "AWS::Lambda::Function": "{FunctionName}",
    "AWS::S3::Bucket": "{BucketName}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{TopicName}",
    "AWS::SQS::Queue": "https://sqs.{region}.amazonaws.com/{account}/{QueueName}",
    "AWS::Scheduler::ScheduleGroup": "{Name}",
}
_ATTRIBUTES = {
    ("AWS::DynamoDB::Table", "Arn"): "arn:aws:dynamodb:{region}:{account}:table/{TableName}",
    ("AWS::IAM::Role", "Arn"): "arn:aws:iam::{account}:role/{RoleName}",
    ("AWS::Lambda::Function", "Arn"): "arn:aws:lambda:{region}:{account}:function:{FunctionName}",
    ("AWS::SQS::Queue", "Arn"): "arn:aws:sqs:{region}:{account}:{QueueName}",
    ("AWS::SQS::Queue", "QueueName"): "{QueueName}",
    ("AWS::SNS::Topic", "TopicName"): "{TopicName}",
    ("AWS::ApiGatewayV2::Api", "ApiEndpoint"): "https://api.execute-api.{region}.amazonaws.com",
}


class Deployed:
    """The resources of a template by logical id, with their properties as text and numbers."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._known = {**PSEUDO, "CodeBucket": "code", "CodePrefix": "v1"}
        self.resources: dict[str, Resource] = {
            name: {**resource, "Properties": self._resolved(resource["Properties"])}
            for name, resource in template["Resources"].items()
        }
        self.outputs: dict[str, str] = {
            name: self._resolved(output["Value"]) for name, output in template["Outputs"].items()
        }

    def of(self, type_: str) -> dict[str, Any]:
        """The properties of all resources of a type, by logical id."""
        return {
            name: resource["Properties"]
            for name, resource in self.resources.items()
            if resource["Type"] == f"AWS::{type_}"
        }

    def role(self, function: str) -> Any:
        """The properties of a function's role."""
        (arn,) = [
            one["Role"]
            for one in self.of("Lambda::Function").values()
            if one["FunctionName"].startswith(f"rez-agent-{function}-")
        ]
        (role,) = [one for one in self.of("IAM::Role").values() if arn.endswith(f"/{one['RoleName']}")]
        return role

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"}:
            return self._ref(value["Ref"])
        if set(value) == {"Fn::GetAtt"}:
            return self._attribute(*value["Fn::GetAtt"])
        if set(value) == {"Fn::Sub"}:
            return re.sub(r"\$\{([^}!]+)\}", lambda found: self._named(found[1]), value["Fn::Sub"])
        return {key: self._resolved(item) for key, item in value.items()}

    def _named(self, name: str) -> str:
        logical_id, _, attribute = name.partition(".")
        return self._attribute(logical_id, attribute) if attribute else self._ref(logical_id)

    def _ref(self, name: str) -> str:
        if name in self._known:
            return self._known[name]
        return self._filled(_REF.get(self._template["Resources"][name]["Type"], name), name)

    def _attribute(self, name: str, attribute: str) -> str:
        return self._filled(_ATTRIBUTES[self._template["Resources"][name]["Type"], attribute], name)

    def _filled(self, pattern: str, name: str) -> str:
        properties = self._template["Resources"][name]["Properties"]
        needed = re.findall(r"\{([A-Z]\w+)\}", pattern)
        own = {key: self._resolved(properties[key]) for key in needed}
        return pattern.format(region=REGION, account=ACCOUNT, **own)


def statements(role: Any) -> Iterator[dict[str, Any]]:
    """The statements of a role's policies."""
    for policy in role.get("Policies", ()):
        yield from policy["PolicyDocument"]["Statement"]


def allows(role: Any, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    """Whether a role may take ``action`` on ``resource``. ``context``: what AWS knows of the request besides;
    a condition on anything else does not hold."""
    return any(
        action in statement["Action"]
        and any(fnmatchcase(resource, each) for each in statement["Resource"])
        and _holds(statement.get("Condition", {}), context or {})
        for statement in statements(role)
        if statement["Effect"] == "Allow"
    )


def _holds(conditions: Mapping[str, Mapping[str, str]], context: Mapping[str, str]) -> bool:
    assert conditions.keys() <= {"StringEquals"}, f"no judgement of {set(conditions)} yet"
    asked = conditions.get("StringEquals", {})
    return all(context.get(key) == value for key, value in asked.items())
