"""What to do about each way in which executions fail. One table, by the ledger's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Remedy:
    """``ours``: it fails every time until something here is changed; else it is the target's trouble."""

    text: str
    ours: bool = False


REMEDIES: Mapping[str, Remedy] = MappingProxyType(
    {
        "forbidden_target": Remedy(
            "The address is private. If it is meant: rez-agent serve --allow-target HOST_OR_CIDR.",
            ours=True,
        ),
        "unknown_secret": Remedy("Keep the secret: rez-agent secrets set NAME --host HOST.", ours=True),
        "secret_host": Remedy(
            "The secret may not go to that host: set it again with this host among its --host.", ours=True
        ),
        "insecure_secret": Remedy(
            "Secrets travel by https: change the URL, or allow the target with --allow-target.", ours=True
        ),
        "invalid_secret": Remedy("The secret's value does not fit its use: set it again.", ours=True),
        "invalid_payload": Remedy(
            "The payload no longer fits its action: `rez-agent update` it; the error says where.", ours=True
        ),
        "unknown_action": Remedy(
            "The action is gone: serve with the --actions catalogue or plugin that has it.", ours=True
        ),
        "invalid_channel": Remedy("The notification channel's address is wrong: mend --actions.", ours=True),
        "auth": Remedy("The token could not be had: compare the credentials and the token's URL.", ours=True),
        "custom_error": Remedy("The plugin raised an error: the execution's error says which."),
        "status": Remedy("The target answered with a failure: `rez-agent show EXECUTION` has its answer."),
        "redirect": Remedy("The target redirects: call the new address, or set follow_redirects."),
        "timeout": Remedy("The target is slow or unreachable: raise the payload's timeout, or look there."),
        "refused": Remedy("Nobody listens at the target: start it, or compare host and port."),
        "dns": Remedy("The target's name is not known: compare its spelling; look at this machine's DNS."),
        "tls": Remedy("The target's certificate is not accepted: renew it there, or compare the name."),
        "interrupted": Remedy("The server stopped in the middle: it was tried again with the same key."),
    }
)

OTHER = Remedy("`rez-agent show EXECUTION` tells each attempt's error.")


def remedy_for(code: str) -> Remedy:
    """What to do about ``code``."""
    return REMEDIES.get(code, OTHER)
