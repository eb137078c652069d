"""One family of errors, each with a stable code and a way out in its text.

A :class:`Problem` is one thing that is wrong, told so that a person can mend it: what, where, and what to
do. A :class:`RezError` carries all the problems of a request at once. The web layer maps each class to a
status; nothing else in the program asks which status an error has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``code`` is stable (programs match on it), ``message`` is for people: what is wrong and what to do.
    ``pointer`` is a JSON pointer into the request (``/policies/retry/max_attempts``), empty for the whole.
    ``field`` and ``position`` place a problem inside an expression: the cron field's name
    (``day-of-week``) and the 0-based character offset into the expression's text.
    """

    code: str
    message: str
    pointer: str = ""
    field: str | None = None
    position: int | None = None

    def under(self, prefix: str) -> Problem:
        """The same problem, seen from a document that holds this one at ``prefix``."""
        return replace(self, pointer=prefix + self.pointer)


class RezError(Exception):
    """The root of every error this program raises on purpose.

    ``code`` is the stable name of the error, its first problem's unless it is given; ``problems`` lists every
    single thing that is wrong (at least one). The text of the exception is for people.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or (problems[0].code if problems else type(self).code)
        self.problems: tuple[Problem, ...] = tuple(problems) or (Problem(self.code, message),)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> RezError:
        """The error that reports ``problems``, at least one, all at once; the first one names it."""
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return cls(first.message + more, code=first.code, problems=problems)


class Invalid(RezError):
    """The request can't be right, whatever the state of the store: mend it and ask again."""

    code = "invalid_request"


class Malformed(Invalid):
    """The request could not even be read (not JSON, too deep, a NUL, a lone surrogate)."""

    code = "malformed_request"


class TooLarge(Invalid):
    """The request, or a list in it, is larger than the limit that its text names."""

    code = "too_large"


class NotFound(RezError):
    """No such thing, or not the caller's: the two are never told apart."""

    code = "not_found"


class Pending(NotFound):
    """The thing was asked for and is not there yet: ask again after ``retry_after`` seconds."""

    code = "schedule_pending"

    def __init__(self, message: str, *, message_id: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.message_id = message_id
        self.retry_after = retry_after


class Conflict(RezError):
    """The request is right but the present state forbids it (a name is taken, a run has ended)."""

    code = "conflict"


class RevisionConflict(Conflict):
    """The schedule changed since the caller read it: read it again, then decide again."""

    code = "revision_conflict"


class RevisionRequired(RezError):
    """A whole replacement must name the revision it replaces, in ``If-Match``."""

    code = "revision_required"


class Unauthenticated(RezError):
    """No key, or no such key."""

    code = "unauthenticated"


class Forbidden(RezError):
    """The key is known, its scope does not reach this."""

    code = "forbidden"


class QuotaExceeded(RezError):
    """The owner holds as many schedules as allowed."""

    code = "quota_exceeded"


class RateLimited(RezError):
    """Too many requests from one key: ask again after ``retry_after`` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unsupported(RezError):
    """This host cannot keep what is asked; the text says which host or setting can."""

    code = "unsupported"


class Unavailable(RezError):
    """Nothing is wrong with the request, but it can't be served now (disk full, stopping)."""

    code = "unavailable"
