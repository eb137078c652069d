"""Values that CloudFormation shapes otherwise than Pulumi."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from infrastructure.synth.tokens import token

Given = Mapping[str, Any]

CODE_BUCKET, CODE_PREFIX = "CodeBucket", "CodePrefix"
"""The template's parameters: where the functions' zips are."""


def parsed(given: str) -> Any:
    """A document that Pulumi takes as text."""
    return json.loads(given)


def alone(given: Any) -> list[Any]:
    """One of what CloudFormation wants a list of."""
    return [given]


def table(given: Given) -> dict[str, Any]:
    """A table: its key is one property, and a local index repeats the table's hash key."""
    rest = {name: value for name, value in given.items() if name not in ("hashKey", "rangeKey")}
    return {
        **rest,
        "KeySchema": _key(given["hashKey"], given.get("rangeKey")),
        "localSecondaryIndexes": [
            {
                "IndexName": index["name"],
                "KeySchema": _key(given["hashKey"], index["rangeKey"]),
                "Projection": _projection(index),
            }
            for index in given.get("localSecondaryIndexes", ())
        ]
        or None,
    }


def global_indexes(given: list[Given]) -> list[dict[str, Any]]:
    """A table's global indexes."""
    return [
        {"IndexName": index["name"], "KeySchema": index["keySchemas"], "Projection": _projection(index)}
        for index in given
    ]


def attributes(given: list[Given]) -> list[dict[str, Any]]:
    """A table's key attributes."""
    return [{"AttributeName": one["name"], "AttributeType": one["type"]} for one in given]


def _key(hash_name: str, range_name: str | None) -> list[dict[str, str]]:
    key = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    return [*key, {"AttributeName": range_name, "KeyType": "RANGE"}] if range_name else key


def _projection(index: Given) -> dict[str, Any]:
    return {"ProjectionType": index["projectionType"], "NonKeyAttributes": index.get("nonKeyAttributes")}


def code(given: Any) -> dict[str, str]:
    """A local zip, as the object of the same name in the bucket that the template's parameters name."""
    return {"S3Bucket": token(CODE_BUCKET), "S3Key": f"{token(CODE_PREFIX)}/{PurePosixPath(given.path).name}"}


def dimensions(given: Given) -> list[dict[str, Any]]:
    """An alarm's dimensions."""
    return [{"Name": name, "Value": value} for name, value in sorted(given.items())]


def encryption(given: Given) -> dict[str, Any]:
    """A bucket's encryption."""
    by_default = [rule["applyServerSideEncryptionByDefault"] for rule in given["rules"]]
    rules = [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": one["sseAlgorithm"]}} for one in by_default]
    return {"BucketEncryption": {"ServerSideEncryptionConfiguration": rules}}


def public_access(given: Given) -> dict[str, Any]:
    """What keeps a bucket private."""
    return {"PublicAccessBlockConfiguration": {k: v for k, v in given.items() if k != "bucket"}}


def role_policy(given: Given) -> dict[str, Any]:
    """A role's policy."""
    return {"Policies": [{"PolicyName": given["name"], "PolicyDocument": parsed(given["policy"])}]}


def recursive_loop(given: Given) -> dict[str, Any]:
    """Whether a function may send to what it reads from."""
    return {"RecursiveLoop": given["recursiveLoop"]}
