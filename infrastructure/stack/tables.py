"""The tables, from the host's own description of them."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infrastructure.stack.settings import Settings
from rez_agent.aws.tables import TABLES, TTL, Index, Table


def make_tables(settings: Settings) -> dict[str, aws.dynamodb.Table]:
    """Every table, by the part of its name that tells it from the others."""
    return {table.what: _table(settings, table) for table in TABLES}


def _table(settings: Settings, table: Table) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        table.what,
        name=settings.names(table.what),
        billing_mode="PAY_PER_REQUEST",
        hash_key=table.key.hash,
        range_key=table.key.range,
        attributes=[aws.dynamodb.TableAttributeArgs(name=name, type="S") for name in table.attributes],
        global_secondary_indexes=[_global(index) for index in table.indexes if not index.local],
        local_secondary_indexes=[_local(index) for index in table.indexes if index.local],
        ttl=aws.dynamodb.TableTtlArgs(attribute_name=TTL, enabled=True),
        server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(enabled=True),
        point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
        deletion_protection_enabled=settings.retain,
        tags=settings.tags,
        opts=pulumi.ResourceOptions(protect=settings.retain, retain_on_delete=settings.retain),
    )


def _global(index: Index) -> aws.dynamodb.TableGlobalSecondaryIndexArgs:
    kinds = ("HASH", "RANGE")
    return aws.dynamodb.TableGlobalSecondaryIndexArgs(
        name=index.name,
        key_schemas=[
            aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=name, key_type=kind)
            for name, kind in zip(index.key.attributes, kinds, strict=False)
        ],
        projection_type=_projection(index),
        non_key_attributes=list(index.includes) if index.includes else None,
    )


def _local(index: Index) -> aws.dynamodb.TableLocalSecondaryIndexArgs:
    if index.key.range is None:
        raise ValueError(f"Index {index.name}: a local index has a range key.")
    return aws.dynamodb.TableLocalSecondaryIndexArgs(
        name=index.name,
        range_key=index.key.range,
        projection_type=_projection(index),
        non_key_attributes=list(index.includes) if index.includes else None,
    )


def _projection(index: Index) -> str:
    if index.includes is None:
        return "ALL"
    return "INCLUDE" if index.includes else "KEYS_ONLY"
