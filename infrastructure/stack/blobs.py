"""The bucket of payloads that are too large for a row."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infrastructure.stack.place import Place
from infrastructure.stack.settings import Settings


def make_bucket(settings: Settings, place: Place) -> aws.s3.Bucket:
    """The bucket: private, encrypted, reached by TLS only."""
    bucket = aws.s3.Bucket(
        "blobs",
        bucket=place.bucket_name,
        force_destroy=not settings.retain,
        tags=settings.tags,
        opts=pulumi.ResourceOptions(protect=settings.retain, retain_on_delete=settings.retain),
    )
    aws.s3.BucketPublicAccessBlock(
        "blobs",
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )
    by_default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="AES256"
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        "blobs",
        bucket=bucket.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=by_default
            )
        ],
    )
    aws.s3.BucketPolicy("blobs", bucket=bucket.bucket, policy=pulumi.Output.json_dumps(_tls_only(place)))
    return bucket


def _tls_only(place: Place) -> dict[str, object]:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [place.bucket, place.objects],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
