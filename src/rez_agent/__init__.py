"""rez-agent: dynamic schedules as a service."""

from importlib.metadata import version

__version__ = version("rez-agent")
