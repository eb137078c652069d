"""A whole AWS on a laptop: ministack on loopback, mended until schedules fire there as on AWS.

``emulator`` runs it, ``eventbridge`` is the pure model of EventBridge Scheduler's timekeeping that it fires
by, ``process`` starts and stops one for a test, and ``python -m infrastructure.aws_local`` (``make
aws-local``) deploys the stack to it.
"""
