"""What holds for every test."""

from hypothesis import settings

# The machines that run the tests are shared: how long an example takes says nothing about the code.
settings.register_profile("rez-agent", deadline=None)
settings.load_profile("rez-agent")
