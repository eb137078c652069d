"""The unit of work: one use case's reads and writes on DynamoDB, whole or not at all.

A use case runs as if it were alone. What it reads is read consistently and remembered; what it writes is
staged, and committed in one transaction. Every item carries a ``version``, drawn anew at each write; a write
holds only if the item still has the version that this unit read (or is still not there). If it has not,
somebody else was there first: :class:`Conflicting` is raised, nothing of this unit was written, and
:func:`run_whole` runs the use case again on what is there now. That is optimistic locking, as the guide of
DynamoDB has it ("Optimistic locking with version number", "DynamoDB Transactions: How it works").

An answer may be lost on its way; then the SDK sends the request again. A transaction carries a token that
DynamoDB knows it by, a put that goes alone its version. So nothing is refused or added because of that.

Crash: before the commit nothing is written; after it everything is, but effects (a message published, the
engine armed) may not have happened. Each effect can be told from the tables, and the sweep makes up for it.

More than :data:`ITEMS_AT_ONCE` items (or :data:`BYTES_AT_ONCE`) go in several transactions, in the order in
which they were staged, the last of them as full as can be. Then a crash, or somebody else's change, may leave
the first of them alone: what writes so much (a backfill, a cancellation of everything) is safe to repeat, and
stages what marks it as done last, right after what must be one with that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from rez_agent.aws.tables import Table
from rez_agent.aws.wire import Item, from_wire, to_wire, value_from_wire
from rez_agent.domain.errors import RezError, TooLarge, Unavailable

T = TypeVar("T")

Key = tuple[str, ...]
"""The values of an item's key: the hash, and the range where the table has one."""

Watch = Callable[[Item | None, Item | None], None]
"""Told of an item before and after a commit."""

VERSION = "version"
ITEMS_AT_ONCE = 100
"""Items in one transaction, as TransactWriteItems allows."""

BYTES_AT_ONCE = 3_500_000
"""Of 4 MB that a transaction may hold: our count is of JSON, which is a little more than DynamoDB's own."""

KEYS_AT_ONCE = 100
"""Keys in one BatchGetItem."""

KEY_BYTES = (2_048, 1_024)
"""What a hash key and a range key hold at most; nor may either be empty ("Quotas in Amazon DynamoDB")."""

TRIES = 12
"""How often a use case is run before it is given up because others are always there first."""

FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 1.0


class Conflicting(Exception):
    """Something that this unit read was changed before it could be written. Run the use case again."""


@dataclass(slots=True)
class _Staged:
    """A write: an item (None: its deletion), or ``added`` to its counters."""

    table: Table
    key: Key
    item: Item | None = None
    added: dict[str, int] = field(default_factory=dict)


class Unit:
    """One use case's view of the tables. Not for two threads at once.

    ``client`` is DynamoDB's; ``names`` gives each table's full name by its ``what``; ``draw`` gives a text
    that was never drawn before. After a commit the unit knows what it wrote, and may go on to the next.
    """

    def __init__(self, client: Any, names: Mapping[str, str], draw: Callable[[], str]) -> None:
        self._client = client
        self._names = names
        self._draw = draw
        self._seen: dict[tuple[str, Key], Item | None] = {}
        self._staged: dict[tuple[str, Key], _Staged] = {}
        self._effects: list[Callable[[], None]] = []
        self._watched: dict[str, Watch] = {}

    # --- reading ---

    def get(self, table: Table, *key: str) -> Item | None:
        """The item, this unit's own write included; None if there is none, or can be none with such a key.
        Read once, consistently."""
        if not _can_be(key):
            return None
        place = (table.what, key)
        staged = self._staged.get(place)
        if staged is not None and self._is_whole(place):
            return staged.item
        if place not in self._seen:
            answer = _call(
                self._client.get_item,
                TableName=self._names[table.what],
                Key=_wire_key(table, key),
                ConsistentRead=True,
            )
            self._seen[place] = from_wire(answer["Item"]) if "Item" in answer else None
        return self._seen[place] if staged is None else _with_added(self._seen[place], staged)

    def remember(self, table: Table, item: Item) -> None:
        """Take a whole ``item`` as read, with the version it has, unless this unit read it already. A write
        that follows holds only if it is still so; what else follows, such as doing nothing, may be out of
        date."""
        self._seen.setdefault((table.what, key_of(table, item)), item)

    def get_all(self, table: Table, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items of several keys that there are, as :meth:`get` gives them, in few calls."""
        wanted = [key for key in dict.fromkeys(keys) if _can_be(key)]
        missing = [key for key in wanted if (table.what, key) not in self._seen]
        missing = [key for key in missing if not self._is_whole((table.what, key))]
        for start in range(0, len(missing), KEYS_AT_ONCE):
            self._get_batch(table, missing[start : start + KEYS_AT_ONCE])
        found = ((key, self.get(table, *key)) for key in wanted)
        return {key: item for key, item in found if item is not None}

    def _get_batch(self, table: Table, keys: Sequence[Key]) -> None:
        name = self._names[table.what]
        for key in keys:
            self._seen[table.what, key] = None
        asked: Any = {name: {"Keys": [_wire_key(table, key) for key in keys], "ConsistentRead": True}}
        while asked:
            answer = _call(self._client.batch_get_item, RequestItems=asked)
            for wire in answer["Responses"].get(name, ()):
                item = from_wire(wire)
                self._seen[table.what, key_of(table, item)] = item
            asked = answer.get("UnprocessedKeys")

    def query(self, table: Table, index: str | None = None, **asked: Any) -> Iterator[Item]:
        """What a Query gives, page by page as it is consumed: it does not see this unit's own writes, which
        :meth:`staged` tells. ``asked`` are Query's parameters, with plain values in ``values``."""
        parameters = self._asked(table, index, asked)
        while True:
            answer = _call(self._client.query, **parameters)
            yield from (from_wire(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def page(self, table: Table, index: str | None = None, **asked: Any) -> tuple[list[Item], Item | None]:
        """One page of such a Query; and the keys of the item that it has read up to, where there is more."""
        answer = _call(self._client.query, **self._asked(table, index, asked))
        last = answer.get("LastEvaluatedKey")
        return [from_wire(item) for item in answer["Items"]], None if last is None else from_wire(last)

    def _asked(self, table: Table, index: str | None, asked: dict[str, Any]) -> dict[str, Any]:
        parameters: dict[str, Any] = {"TableName": self._names[table.what]}
        if index is not None:
            parameters["IndexName"] = index
        if "values" in asked:
            parameters["ExpressionAttributeValues"] = to_wire(asked.pop("values"))
        return parameters | asked

    def scan(
        self, table: Table, *, after: Key | None = None, limit: int = 100
    ) -> tuple[list[Item], Key | None]:
        """One page of the whole table in its own order, after a key; and the key to go on after."""
        parameters: dict[str, Any] = {
            "TableName": self._names[table.what],
            "Limit": limit,
            "ConsistentRead": True,
        }
        if after is not None:
            parameters["ExclusiveStartKey"] = _wire_key(table, after)
        answer = _call(self._client.scan, **parameters)
        last = answer.get("LastEvaluatedKey")
        following = None if last is None else tuple(value_from_wire(last[n]) for n in table.key.attributes)
        return [from_wire(item) for item in answer["Items"]], following

    def count(self, table: Table, index: str | None = None, *, most: int | None = None, **asked: Any) -> int:
        """How many a Query finds, however many pages it takes; with ``most`` it looks for no more."""
        if index is not None:
            asked["IndexName"] = index
        if "values" in asked:
            asked["ExpressionAttributeValues"] = to_wire(asked.pop("values"))
        total, asked = 0, {"TableName": self._names[table.what], "Select": "COUNT", **asked}
        while True:
            if most is not None:
                asked["Limit"] = most - total
            answer = _call(self._client.query, **asked)
            total += int(answer["Count"])
            if "LastEvaluatedKey" not in answer or total == most:
                return total
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def staged(self, table: Table) -> dict[Key, Item | None]:
        """What this unit has put (or, None, deleted) in a table and not committed yet."""
        return {
            staged.key: staged.item
            for staged in self._staged.values()
            if staged.table is table and not staged.added
        }

    # --- writing ---

    def put(self, table: Table, item: Item) -> None:
        """Stage a whole item, in place of the one that is there. If this unit has read that one (or read that
        there is none), the write holds only if it is still so."""
        self._stage(_Staged(table, key_of(table, item), item))

    def delete(self, table: Table, *key: str) -> None:
        """Stage an item's deletion, on the same condition."""
        self._stage(_Staged(table, key))

    def add(self, table: Table, key: Key, attribute: str, number: int) -> None:
        """Stage an addition to a counter, whatever it is then: two such never conflict for their values. The
        item may not be put or deleted in this unit."""
        staged = self._staged.setdefault((table.what, key), _Staged(table, key))
        staged.added[attribute] = staged.added.get(attribute, 0) + number

    def watch(self, table: Table, told: Watch) -> None:
        """Tell ``told``, once a commit holds, of each item of a table that was put or deleted: as this unit
        read it (None: it was not there, or was not read), and as it is now."""
        self._watched[table.what] = told

    def after(self, effect: Callable[[], None]) -> None:
        """Do this once the commit holds, in the order of asking."""
        self._effects.append(effect)

    def commit(self) -> None:
        """Write everything staged. Raises Conflicting, TooLarge for an item above 400 KB, Unavailable."""
        for staged in self._staged.values():
            if staged.item is not None:
                staged.item = {**staged.item, VERSION: self._draw()}
        for chunk in _chunks([self._wire_write(staged) for staged in self._staged.values()]):
            if len(chunk) == 1 and "Put" in chunk[0]:
                self._put_one(chunk[0]["Put"])  # needs no transaction, which would cost twice
            else:
                _call(self._client.transact_write_items, TransactItems=chunk)
        for place, staged in self._staged.items():
            before = self._seen.pop(place, None)
            if not staged.added:
                self._seen[place] = staged.item
                if place[0] in self._watched:
                    self._watched[place[0]](before, staged.item)
        self._staged.clear()

    def finish(self) -> None:
        """After :meth:`commit`: let the effects happen."""
        effects, self._effects = self._effects, []
        for effect in effects:
            effect()

    # --- how ---

    def _is_whole(self, place: tuple[str, Key]) -> bool:
        """Whether this unit has staged an item whole, so that there is no need to read it."""
        return place in self._staged and not self._staged[place].added

    def _stage(self, staged: _Staged) -> None:
        place = (staged.table.what, staged.key)
        self._staged.pop(place, None)  # what was staged last is committed last
        self._staged[place] = staged

    def _wire_write(self, staged: _Staged) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self._names[staged.table.what]}
        if staged.added:
            parts = [f"#{n} :{n}" for n in range(len(staged.added))]
            return {
                "Update": request
                | {
                    "Key": _wire_key(staged.table, staged.key),
                    "UpdateExpression": "ADD " + ", ".join(parts),
                    "ExpressionAttributeNames": {f"#{n}": name for n, name in enumerate(staged.added)},
                    "ExpressionAttributeValues": to_wire(
                        {f":{n}": number for n, number in enumerate(staged.added.values())}
                    ),
                }
            }
        request |= self._condition(staged)
        if staged.item is None:
            return {"Delete": request | {"Key": _wire_key(staged.table, staged.key)}}
        return {"Put": request | {"Item": to_wire(staged.item)}}

    def _condition(self, staged: _Staged) -> dict[str, Any]:
        """That the item is as this unit read it; nothing if it was never read."""
        place = (staged.table.what, staged.key)
        if place not in self._seen:
            return {}
        seen = self._seen[place]
        if seen is None:
            names = {"#k": staged.table.key.hash}
            return {"ConditionExpression": "attribute_not_exists(#k)", "ExpressionAttributeNames": names}
        names = {"#v": VERSION}
        if VERSION not in seen:  # somebody else's item, such as a person's at the console
            condition = "attribute_not_exists(#v)"
            return {"ConditionExpression": condition, "ExpressionAttributeNames": names}
        return {
            "ConditionExpression": "#v = :v",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_wire({":v": seen[VERSION]}),
        }

    def _put_one(self, request: dict[str, Any]) -> None:
        if "ConditionExpression" in request:
            request = {**request, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            self._client.put_item(**request)
        except (ClientError, BotoCoreError) as error:
            present = error.response.get("Item", {}) if isinstance(error, ClientError) else {}
            if present.get(VERSION) == request["Item"][VERSION]:
                return  # our own write, whose answer was lost on the way and which the SDK sent again
            raise translated(error) from error


def run_whole(
    make_unit: Callable[[], Unit],
    use_case: Callable[[Unit], T],
    *,
    draw: Callable[[], float],
    sleep: Callable[[float], None] = time.sleep,
    known: Iterable[tuple[Table, Item]] = (),
) -> T:
    """Run ``use_case`` whole on a unit of its own, again where others were there first; then its effects.

    ``draw`` gives a number in [0, 1), for the waits between two runs. ``known`` are items that the first run
    need not read; if they are out of date, the second reads for itself. Raises what the use case raises, with
    nothing written; Unavailable when :data:`TRIES` runs met others each time, or DynamoDB can't be used.
    """
    wait = FIRST_WAIT_SECONDS
    for attempt in range(TRIES):
        unit = make_unit()
        for table, item in () if attempt else known:
            unit.remember(table, item)
        result = use_case(unit)
        try:
            unit.commit()
        except Conflicting:
            sleep(wait * draw())
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            continue
        unit.finish()
        return result
    raise Unavailable("Others were changing the same things all the time. Ask again in a moment.")


def _can_be(key: Key) -> bool:
    """Whether an item can have this key: what people send is looked up as it is."""
    return all(0 < len(part.encode()) <= most for part, most in zip(key, KEY_BYTES, strict=False))


def key_of(table: Table, item: Mapping[str, Any]) -> Key:
    """The values of an item's key."""
    return tuple(item[name] for name in table.key.attributes)


def translated(error: ClientError | BotoCoreError) -> Exception:
    """What an error of the SDK means here: Conflicting, TooLarge, else Unavailable with AWS's own words."""
    if not isinstance(error, ClientError):
        return Unavailable(f"AWS can't be reached: {error}")
    code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in ("ConditionalCheckFailedException", "TransactionConflictException"):
        return Conflicting(text)
    if code == "TransactionCanceledException":
        return _translated_cancellation(error, text)
    if code == "ValidationException" and _is_size(text):
        return _too_large(text)
    return Unavailable(f"AWS answers {code}: {text}", code=_code_of(code))


def _translated_cancellation(error: ClientError, text: str) -> RezError | Conflicting:
    reasons = error.response.get("CancellationReasons", ())
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    if codes <= {"ConditionalCheckFailed", "TransactionConflict"}:
        return Conflicting(text)
    told = "; ".join(dict.fromkeys(reason["Message"] for reason in reasons if reason.get("Message"))) or text
    if "ItemCollectionSizeLimitExceeded" in codes or _is_size(told):
        return _too_large(told)
    return Unavailable(f"AWS cancelled a transaction: {told}")


def _is_size(text: str) -> bool:
    return "size" in text.lower() and "exceeded" in text.lower()


def _too_large(text: str) -> TooLarge:
    return TooLarge(
        f"It is too large to be kept: DynamoDB takes 400 KB in one item at most ({text}).",
        code="item_too_large",
    )


def _code_of(code: str) -> str:
    """A lack of rights is worth a code of its own: no waiting mends it."""
    return "access_denied" if code.startswith("AccessDenied") else "unavailable"


def _call(operation: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = operation(**parameters)
    except (ClientError, BotoCoreError) as error:
        raise translated(error) from error
    return answer


def _with_added(item: Item | None, staged: _Staged) -> Item:
    """A counter's item as it will be."""
    key = dict(zip(staged.table.key.attributes, staged.key, strict=True))
    present: Item = {**key, **(item or {})}
    return present | {name: present.get(name, 0) + number for name, number in staged.added.items()}


def _wire_key(table: Table, key: Key) -> Item:
    return to_wire(dict(zip(table.key.attributes, key, strict=True)))


def _chunks(writes: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The writes in groups that one transaction each can hold: filled from the end, so that what was staged
    last is written with as much of what was staged before it as can be."""
    chunks: list[list[dict[str, Any]]] = []
    left, room = 0, 0
    for write in reversed(writes):
        size = len(json.dumps(write, default=repr))
        if not left or size > room:
            chunks.append([])
            left, room = ITEMS_AT_ONCE, BYTES_AT_ONCE
        chunks[-1].append(write)
        left, room = left - 1, room - size
    return [chunk[::-1] for chunk in reversed(chunks)]
