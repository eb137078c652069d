"""The CloudFormation template that the Pulumi program amounts to.

The program runs under Pulumi's mocks, and what it registers is translated by a table of rows. That proves
that the program runs and that what it says fits CloudFormation's schemas. It does not prove what only
``pulumi preview`` can: the checks of Pulumi's AWS provider, and what a change does to a stack that is there.

Who has no Pulumi deploys the template: put the functions' zips in a bucket under a prefix of their own, and
name both by the parameters ``CodeBucket`` and ``CodePrefix``. The template is longer than the 51,200 bytes
that CloudFormation takes in a call, so it goes by a bucket as well::

    aws s3 sync build s3://BUCKET/1 --exclude '*' --include '*.zip'
    aws cloudformation deploy --stack-name rez-agent-dev --template-file build/rez-agent-dev.template.json \\
        --s3-bucket BUCKET --parameter-overrides CodeBucket=BUCKET CodePrefix=1 \\
        --capabilities CAPABILITY_NAMED_IAM
"""

from infrastructure.synth.template import render, synthesize
from infrastructure.synth.translate import Untranslatable

__all__ = ["Untranslatable", "render", "synthesize"]
