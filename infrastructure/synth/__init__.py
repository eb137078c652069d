"""The CloudFormation template that the Pulumi program amounts to.

The program runs under Pulumi's mocks, and what it registers is translated by a table of rows. That proves
that the program runs and that what it says fits CloudFormation's schemas. It does not prove what only
``pulumi preview`` can: the checks of Pulumi's AWS provider, and what a change does to a stack that is there.

Who has no Pulumi deploys the template: put the functions' zips in a bucket under a prefix of their own, and
name both by the parameters ``CodeBucket`` and ``CodePrefix``.
"""

from infrastructure.synth.template import render, synthesize
from infrastructure.synth.translate import Untranslatable

__all__ = ["Untranslatable", "render", "synthesize"]
