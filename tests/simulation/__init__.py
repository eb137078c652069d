"""The whole local host in a world of its own: virtual time, network and disk, all drawn from a seed.

``world`` runs the production code, ``story`` says what happens to it, ``checker`` judges what became of it by
``expected``, which shares no reading of expressions with the program. ``python -m tests.simulation --seed N``
plays one story again and tells it.
"""
