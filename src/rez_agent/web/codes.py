"""Every code that an answer can carry: the stable names of what goes wrong, and the way out of each.

The page at ``/errors`` and docs/reference/errors.md show this table.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """What a code means, in a few words, and what a caller can do."""

    title: str
    way_out: str


_MEND = "Mend what the text names, and send it again."
_WAIT = "Ask again after the seconds that Retry-After names."

CODES: dict[str, Code] = {
    # the request could not be read
    "malformed_request": Code("The request can't be read", _MEND),
    "malformed_json": Code("The body is not JSON", "The text names line and column of the first fault."),
    "invalid_utf8": Code("The body is not UTF-8", "Send JSON as UTF-8."),
    "byte_order_mark": Code("The body begins with a byte order mark", "Send UTF-8 without one."),
    "too_deep": Code("The body is nested too deep", "Nest at most 64 objects and arrays."),
    "too_many_values": Code("The body holds too many values", "Send at most 100,000 values at a time."),
    "duplicate_key": Code(
        "An object has one key twice", "Keep one of them: readers disagree on which counts."
    ),
    "nul_character": Code("A text holds a NUL character", "Leave it out."),
    "lone_surrogate": Code("A text holds half a surrogate pair", "Write the whole character."),
    "not_finite": Code("A number is not finite", "JSON has no NaN or Infinity: send null, or leave it out."),
    "number_too_large": Code("A number is too large", "Send it as a string."),
    "too_large": Code("The request is too large", "The text names the limit: send it in parts."),
    "body_timeout": Code("The body came too slowly", "Send it whole, and again."),
    "unsupported_media_type": Code(
        "The body's type is not supported", "Send Content-Type: application/json."
    ),
    "route_not_found": Code("No such route", "See /docs for what there is."),
    "method_not_allowed": Code("The route has other methods", "The Allow header lists them."),
    # the request is wrong
    "invalid_request": Code("The request is not valid", _MEND),
    "invalid_value": Code("A value is not allowed", _MEND),
    "wrong_type": Code("A value has the wrong type", _MEND),
    "missing_field": Code("A field is missing", "Add it."),
    "unknown_field": Code("A field is not known", "The text names the nearest known one."),
    "unknown_parameter": Code("A query parameter is not known", "The text names the nearest known one."),
    "duplicate_parameter": Code("A query parameter stands twice", "Give it once."),
    "naive_time": Code("A time has no UTC offset", "Write Z or an offset, as in 2026-03-08T07:30:00Z."),
    "invalid_cursor": Code(
        "The cursor is not of this list", "Use next_cursor as it came, with the same filters."
    ),
    "invalid_schedule_expression": Code("The expression is not valid", "The text names field and position."),
    "invalid_timezone": Code(
        "The time zone is not known", "Write an IANA name such as Europe/Berlin, or UTC."
    ),
    "schedule_in_past": Code("The time has passed", "Choose a later one: nothing would ever fire."),
    "invalid_condition": Code(
        "The condition is not valid",
        "The text names the place; docs/reference/conditions.md lists the words.",
    ),
    "payload_too_large": Code("The payload is too large", "Keep large data at the target."),
    "backfill_too_large": Code("The backfill covers too much", "Ask for a shorter stretch at a time."),
    "too_many_items": Code("The batch holds too many schedules", "Send at most 1,000 at a time."),
    "invalid_idempotency_key": Code("The Idempotency-Key is unfit", "1 to 255 visible ASCII characters."),
    "idempotency_key_reused": Code(
        "The Idempotency-Key had another request", "Draw a new key for a new request."
    ),
    "invalid_key_name": Code("The key's name is unfit", _MEND),
    "unsupported": Code("This host can't keep what is asked", "The text says which host or setting can."),
    "unknown_calendar": Code(
        "There is no calendar so named", "The text names the nearest; /api/calendars lists all."
    ),
    "unknown_country": Code(
        "The holidays of the country are not known", "Name it by ISO 3166, or list its days yourself."
    ),
    "unknown_subdivision": Code("The country has no such subdivision", "The text names those that it has."),
    "unknown_category": Code("The country has no such holidays", "The text names the categories it has."),
    "invalid_ics": Code("The text is no ICS file of whole days", "The text says what can't be read."),
    "calendar_too_large": Code("The calendar names too many days", "Leave out what is long past."),
    "unsupported_by_engine": Code(
        "The host's engine can't keep time for this", "Write it as the text proposes."
    ),
    # warnings: the request is right, and something about it may surprise
    "never_fires": Code("The expression never fires", "No date from 1970 to 2199 matches it."),
    "at_in_gap": Code("The clock skips this time", "It moves forward by the gap."),
    "closed_by_calendar": Code(
        "The calendar leaves nothing to fire", "Choose another day, or change the calendar."
    ),
    # templates
    "template_not_found": Code("No such template", "See GET /api/templates for what there is."),
    "template_exists": Code("A template has this name", "Choose another name."),
    "template_shipped": Code("The template ships with the program", "Copy it under another name."),
    "too_many_templates": Code("There are as many templates as allowed", "Delete some first."),
    "invalid_parameters_schema": Code(
        "The schema of the parameters is not one that templates use", "See docs/how-to/templates.md."
    ),
    "invalid_placeholder": Code(
        "A placeholder is not valid", "The text names it; see docs/how-to/templates.md."
    ),
    "missing_parameter": Code("The template asks for a parameter", "Add it."),
    "unfit_parameter": Code("A parameter does not fit the template", _MEND),
    # payloads
    "unknown_action": Code("The action is not known", "The text lists what there is."),
    "broken_action": Code(
        "The action can't be loaded", "Its operator has to mend it; the text says what failed."
    ),
    "invalid_url": Code("The URL is not valid", _MEND),
    "invalid_header": Code("A header is not valid", _MEND),
    "forbidden_header": Code("A header is not to be set", "Leave it out: it is set for you."),
    "too_many_headers": Code("There are too many headers", _MEND),
    "forbidden_target": Code(
        "The target may not be called", "The text names the setting that would allow it."
    ),
    "plain_secret": Code(
        "A secret stands in the open", "Store it with `rez-agent secrets set`, and name it."
    ),
    "insecure_secret": Code("A secret would travel in the open", "Use https."),
    "unknown_secret": Code("The secret is not known", "Store it with `rez-agent secrets set`."),
    "secret_host": Code("The secret may not go to this host", "Bind it to the host when it is set."),
    "invalid_secret": Code("The reference to a secret is not valid", _MEND),
    "unknown_channel": Code("The channel is not known", "The text lists what is configured."),
    "invalid_channel": Code("The channel is not valid", _MEND),
    "invalid_parameter": Code("A parameter of the action is not valid", _MEND),
    "rendering_failed": Code(
        "The action's template can't be filled", "Mend the parameters that it is given."
    ),
    "unknown_target_type": Code("The target type is not known", "web_action, notification or custom."),
    # who asks
    "unauthenticated": Code("A key is needed", "Send Authorization: Bearer rez_..., or X-API-Key."),
    "not_your_calendar": Code(
        "The calendar is somebody else's", "Ask its owner or an admin, or make one of your own."
    ),
    "forbidden": Code("The key does not reach this", "Use a key of the scope that the text names."),
    "forbidden_host": Code("The request names another host", "Use localhost, or create a key."),
    "cross_site": Code("The request comes from another site", "Create a key, and send it."),
    "csrf_failed": Code("The form is not of the session", "Load the page again, and send it again."),
    "login_refused": Code("The key is not valid", "Check that you copied all of it, or ask for a new one."),
    "proxied": Code("The request was handed on by a proxy", "Create a key, and send it."),
    "rate_limited": Code("Too many requests", _WAIT),
    "quota_exceeded": Code("Too many schedules", "Delete some, or ask for a larger quota."),
    # what there is, and what state it is in
    "not_found": Code("There is no such thing", "It may be another owner's, which is never told."),
    "calendar_not_found": Code("There is no such calendar", "GET /api/calendars lists those there are."),
    "schedule_not_found": Code("There is no such schedule", "It may be deleted, or another owner's."),
    "schedule_pending": Code("The schedule is being created", _WAIT),
    "execution_not_found": Code("There is no such execution", "The ledger is kept for 90 days."),
    "message_not_found": Code("There is no such message", "Messages are kept for a week."),
    "key_not_found": Code("There is no such key", "It may be revoked already."),
    "alert_not_found": Code("There is no such alert", "Alerts are kept as long as the ledger keeps history."),
    "alert_rule_not_found": Code("There is no such alert rule", "It may be deleted, or another owner's."),
    "standing_rule": Code("This rule is always there", "Turn it off: send it with enabled false."),
    "too_many_rules": Code("Too many alert rules", "Delete one, or watch several schedules by a tag."),
    "no_alert_channel": Code(
        "The alert has no channel", "Name one in channels, or configure one called alerts."
    ),
    "undo_over": Code("There is nothing to undo any more", "Make the change itself."),
    "blob_not_found": Code("The data is gone", "Send it again."),
    "conflict": Code("The present state forbids it", "Read it again, then decide."),
    "name_taken": Code("The name is taken", "Choose another, or update the schedule that has it."),
    "schedule_exists": Code("The id is in use", "Ids are never used again: create without one."),
    "schedule_deleted": Code("The schedule is deleted", "Create a new one."),
    "not_paused": Code("The schedule is not paused", "There is nothing to resume."),
    "calendar_exists": Code("A calendar has that name", "Choose another name, or change that calendar."),
    "calendar_in_use": Code(
        "Schedules heed the calendar", "Take it from their definitions first, or empty its days."
    ),
    "too_many_calendars": Code("There are as many calendars as allowed", "Delete one first."),
    "not_replayable": Code(
        "The execution can't be replayed",
        "Only one that has ended can, and that stands for one occurrence: else wait, or backfill.",
    ),
    "not_retryable": Code("The execution can't be retried", "Only a failed or cancelled one can."),
    "already_final": Code("The execution has ended", "There is nothing to cancel."),
    "revision_conflict": Code("The schedule changed meanwhile", "Read it again, then decide again."),
    "revision_required": Code(
        "The revision is missing", 'Send If-Match with the ETag you read, such as "3".'
    ),
    "idempotency_in_flight": Code("The first request is not done", _WAIT),
    # what only the command line and the start of the server say
    "invalid_name": Code("A name in the actions file is unfit", _MEND),
    "invalid_yaml": Code("The actions file is not YAML", _MEND),
    "invalid_actions": Code("The actions file can't be read", _MEND),
    "invalid_allow_target": Code(
        "--allow-target is not valid", "A host, an address, a network, or host:port."
    ),
    "invalid_secret_name": Code("The secret's name is unfit", _MEND),
    "invalid_secret_value": Code("The secret's value is unfit", _MEND),
    "secret_too_short": Code("The secret is too short", "At least 4 characters."),
    "missing_host": Code("The secret has no host", "Name the hosts that it may be sent to."),
    "invalid_host": Code("The secret's host is not valid", _MEND),
    "too_many_hosts": Code("The secret has too many hosts", "At most 32."),
    # the server
    "unavailable": Code("The server can't serve this now", _WAIT),
    "gave_up": Code("The command could not be carried out", "Send it again; the server's log has the rest."),
    "storage_unavailable": Code("The database can't be used now", "Free disk space, and ask again."),
    "no_checksums": Code("Page checksums can't be verified", "Install the package again, as it is locked."),
    "database_damaged": Code("The database is damaged", "Stop the server, and restore a backup."),
    "internal_error": Code("The server failed", "Report the id in the text: the log has the rest."),
}
