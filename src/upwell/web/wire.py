"""The server's shapes as TypeScript: `python -m upwell.web.wire > ui/src/wire.ts`.

Interfaces come from the structs of `query`, `shapes` and `live.frames`, in a fixed order. A field
is optional where the server may leave it out (or, in what a client sends, may be left out).
"""

from __future__ import annotations

import sys
import types
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import inspect

from upwell import query
from upwell.alerts import inbox
from upwell.alerts.incident import Moment
from upwell.errors import Problem
from upwell.event import GrowthEvent, Reject
from upwell.live import frames
from upwell.metrics import goals as aims
from upwell.metrics.catalog import Direction, Unit
from upwell.metrics.funnel.sums import Histogram
from upwell.period import Grain
from upwell.query import boards, goals, marks, overlaps, progress, tiles
from upwell.query.explain import shapes as explained
from upwell.query.revenue import proofs
from upwell.query.revenue import shapes as revenue
from upwell.query.usage import asked as usage_asked
from upwell.query.usage import keeping
from upwell.query.usage import shapes as usage
from upwell.settings import TableKey
from upwell.web import health_shapes, kind_shapes, shapes

ALIASES: dict[str, Any] = {
    "Grain": Grain,
    "Unit": Unit,
    "Direction": Direction,
    "SourceState": shapes.SourceState,
    "Lateness": query.Lateness,
    "DriftKind": health_shapes.DriftKind,
    "AlertAct": inbox.Act,
    "CustomerStatus": revenue.CustomerStatus,
    "DayGrain": usage_asked.DayGrain,
    "AnnotationKind": marks.Kind,
    "TileKind": tiles.Kind,
    "TileLook": tiles.Look,
    "GoalState": aims.State,
    "OverlapDecided": overlaps.Decided,
    "ChangeKind": explained.Kind,
}
"""Unions of words that are used under a name of their own."""

STRUCTS: tuple[type[msgspec.Struct], ...] = (
    query.Question,
    query.Point,
    query.Compared,
    query.Series,
    query.Unconverted,
    query.ReadSource,
    query.Answer,
    Problem,
    shapes.Failure,
    shapes.Visitor,
    shapes.Workspace,
    shapes.NewWorkspace,
    shapes.Session,
    shapes.SignIn,
    shapes.NewOwner,
    shapes.Ticket,
    shapes.NewKey,
    shapes.MadeKey,
    shapes.Key,
    shapes.Product,
    shapes.NewProduct,
    shapes.ProductChange,
    shapes.Metric,
    shapes.EventName,
    GrowthEvent,
    Reject,
    shapes.Accepted,
    shapes.RowDelivery,
    shapes.Row,
    shapes.Rows,
    shapes.Original,
    frames.Backfill,
    shapes.Reading,
    shapes.Doubt,
    shapes.Source,
    shapes.Sources,
    shapes.NewStripe,
    shapes.NewSecrets,
    shapes.Permission,
    shapes.Sold,
    shapes.Account,
    shapes.Assigned,
    shapes.DeadLetter,
    inbox.WhyShown,
    Moment,
    inbox.DeliveredShown,
    inbox.AlertShown,
    shapes.Acting,
    shapes.NewReport,
    shapes.Report,
    frames.Status,
    shapes.Closing,
    shapes.Close,
    shapes.Closes,
    shapes.Linking,
    shapes.Linked,
    explained.ChangePart,
    explained.ChangeSplit,
    explained.ChangeCustomer,
    explained.ChangeLead,
    explained.Against,
    explained.Explanation,
    revenue.Bridge,
    revenue.Cause,
    revenue.Cross,
    revenue.BridgePart,
    revenue.BridgeBucket,
    revenue.ClosedMonth,
    revenue.BridgeAnswer,
    revenue.MovedCustomer,
    revenue.MovedCustomers,
    revenue.InCurrency,
    revenue.CustomerLine,
    revenue.Customers,
    revenue.CustomerId,
    revenue.Apart,
    revenue.CustomerFacts,
    revenue.SubscriptionLine,
    revenue.MovementLine,
    revenue.PaymentLine,
    revenue.MonthValue,
    revenue.UsedEvent,
    revenue.Used,
    revenue.Profile,
    revenue.Cohort,
    revenue.Cohorts,
    revenue.CountingRule,
    revenue.CountingRules,
    revenue.Policies,
    proofs.WhyCause,
    proofs.Why,
    proofs.Change,
    proofs.Changes,
    proofs.CashObject,
    proofs.CashMonth,
    proofs.Reconciliation,
    usage_asked.Condition,
    usage_asked.Doing,
    usage_asked.StepAsked,
    usage_asked.Excluded,
    usage_asked.FunnelAsked,
    Histogram,
    usage.FunnelStep,
    usage.FlowNode,
    usage.FlowLink,
    usage.BetweenEvent,
    usage.LinkBetween,
    usage.FunnelFlow,
    usage.FunnelWhole,
    usage.FunnelPart,
    usage.FunnelPoint,
    usage.FunnelAnswer,
    usage_asked.RetentionAsked,
    usage.UseCohort,
    usage.RetentionPart,
    usage.RetentionAnswer,
    usage_asked.LifecycleAsked,
    usage.LifecyclePoint,
    usage.LifecycleAnswer,
    usage_asked.StickinessAsked,
    usage.StickinessAnswer,
    usage_asked.PathsAsked,
    usage.PathNode,
    usage.PathEdge,
    usage.PathsAnswer,
    usage_asked.DidAsked,
    usage_asked.PartAsked,
    usage_asked.Behind,
    usage_asked.PeopleAsked,
    usage.Person,
    usage.PeopleAnswer,
    usage.PropertyValue,
    usage.Property,
    usage.Properties,
    keeping.NewSegment,
    keeping.Segment,
    keeping.Segments,
    usage_asked.OneAsked,
    keeping.NewQuestion,
    keeping.SavedQuestion,
    keeping.SavedQuestions,
    tiles.Tile,
    boards.NewBoard,
    boards.Board,
    boards.BoardList,
    TableKey,
    health_shapes.DayCount,
    health_shapes.EventCount,
    health_shapes.FieldSeen,
    health_shapes.Drift,
    health_shapes.Unusable,
    health_shapes.SourceHealth,
    health_shapes.Reset,
    health_shapes.ReadAgain,
    health_shapes.Replay,
    health_shapes.Replayed,
    kind_shapes.SourceKind,
    kind_shapes.SourceKinds,
    kind_shapes.NewSource,
    kind_shapes.Connected,
    kind_shapes.NewPreview,
    kind_shapes.PreviewColumn,
    kind_shapes.PreviewEvent,
    kind_shapes.PreviewRefused,
    kind_shapes.SqlPreview,
    overlaps.Sender,
    overlaps.Overlap,
    overlaps.Overlaps,
    goals.NewGoal,
    progress.Goal,
    progress.GoalList,
    marks.NewAnnotation,
    marks.Annotation,
    marks.Annotations,
    shapes.Shared,
    shapes.Start,
)
NAMES: dict[type, str] = {
    inbox.WhyShown: "Why",
    Moment: "Told",
    inbox.DeliveredShown: "Delivered",
    inbox.AlertShown: "Alert",
    proofs.Why: "WhyDiffer",
}
"""Names in the pages, where they differ from the structs' own."""

SENT = frozenset(
    {
        "Acting",
        "Closing",
        "Question",
        "SignIn",
        "NewOwner",
        "NewKey",
        "NewWorkspace",
        "NewProduct",
        "ProductChange",
        "NewReport",
        "NewSource",
        "NewPreview",
        "Replay",
        "Reset",
        "NewStripe",
        "NewSecrets",
        "Condition",
        "Doing",
        "StepAsked",
        "Excluded",
        "FunnelAsked",
        "RetentionAsked",
        "LifecycleAsked",
        "StickinessAsked",
        "PathsAsked",
        "DidAsked",
        "PartAsked",
        "Behind",
        "PeopleAsked",
        "NewSegment",
        "OneAsked",
        "NewQuestion",
        "NewAnnotation",
        "Tile",
        "NewBoard",
        "NewGoal",
    }
)
"""What clients send: a field with a default may be left out, and null is never needed."""

NARROWER = {("Answer", "unit"): "Unit", ("Cohorts", "grain"): "Exclude<Grain, 'hour' | 'day'>"}
"""Fields whose values are known better than their type says."""

HEAD = """\
/** The server's shapes, made by `python -m upwell.web.wire`; change them there. */

/** Money is a decimal string; null: not defined, or nothing known. */
export type Value = string | number | null;
"""

TAIL = """\
/** One event as it arrived, for the Live page. */
export interface FeedEvent {
  product: string;
  type: string;
  name: string | null;
  actor: string | null;
  value: Value;
  currency: string | null;
  at: string;
  country: string | null;
  plan: string | null;
}

/** One changed point of a watched question; `key` names its series. */
export interface Moved extends Point {
  key: string;
}

/** What the live socket says. */
export type Frame =
  | { id: string; answer: Answer; position: string }
  | {
      id: string;
      position: string;
      points: Moved[];
      totals?: Record<string, Value>;
      as_of?: Record<string, string>;
    }
  | { feed: { events: FeedEvent[]; per_second: number | null } }
  | { status: Status }
  | { alerts: { open: number; latest: Alert | null } }
  | { error: Problem & { id?: string } };

/** What a page says on the live socket: all that it watches, each time. */
export interface Watch {
  watch: { id: string; question: Question }[];
  since: string | null;
  feed: boolean;
  batch?: boolean;
}
"""


def typescript() -> str:
    """The whole file."""
    unions = [f"export type {name} = {_words(alias)};" for name, alias in ALIASES.items()]
    return "\n".join([HEAD + "\n".join(unions) + "\n", *map(_interface, STRUCTS), TAIL])


def _interface(struct: type[msgspec.Struct]) -> str:
    sent = struct.__name__ in SENT
    may_lack = sent or struct.__struct_config__.omit_defaults
    hints = get_type_hints(struct)
    lines = []
    for field in inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        lacking = may_lack and not field.required
        known = NARROWER.get((struct.__name__, field.encode_name))
        written = known or _type(field.type, hints[field.name])
        if lacking and sent:
            written = written.removesuffix(" | null")
        lines.append(f"  {field.encode_name}{'?' if lacking else ''}: {written};")
    doc = (struct.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
    return f"/** {doc} */\nexport interface {_name(struct)} {{\n" + "\n".join(lines) + "\n}\n"


def _name(struct: type) -> str:
    return NAMES.get(struct, struct.__name__)


def _type(info: inspect.Type, hint: Any) -> str:
    for name, alias in ALIASES.items():
        if hint == alias:
            return name
        if hint == alias | None:
            return f"{name} | null"
    if hint == query.Value:
        return "Value"
    match info:
        case (
            inspect.StrType()
            | inspect.DecimalType()
            | inspect.DateTimeType()
            | (inspect.DateType())
        ):
            return "string"
        case inspect.IntType() | inspect.FloatType():
            return "number"
        case inspect.BoolType():
            return "boolean"
        case inspect.NoneType():
            return "null"
        case inspect.AnyType():
            return "unknown"
        case inspect.LiteralType(values=values):
            return " | ".join(f"'{value}'" for value in values)
        case inspect.StructType(cls=cls):
            return _name(cls)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _array(_type(item, _inner(hint)))
        case inspect.TupleType(item_types=items):
            return f"[{', '.join(_type(item, None) for item in items)}]"
        case inspect.DictType(value_type=value):
            return f"Record<string, {_type(value, _inner(hint))}>"
        case inspect.UnionType(types=kinds):
            return _union(kinds, hint)
    raise TypeError(f"no TypeScript for {info}")


def _union(kinds: tuple[inspect.Type, ...], hint: Any) -> str:
    options = get_args(hint) if isinstance(hint, types.UnionType) else ()
    present = [option for option in options if option is not type(None)]
    one = present[0] if len(present) == 1 else None
    words = [_type(kind, one) for kind in kinds if not isinstance(kind, inspect.NoneType)]
    unique = dict.fromkeys(words)
    null = any(isinstance(kind, inspect.NoneType) for kind in kinds)
    return " | ".join([*unique, *(["null"] if null else [])])


def _inner(hint: Any) -> Any:
    """The hint of an element, or of a dictionary's value."""
    named = [part for part in get_args(hint) if part is not Ellipsis]
    return named[-1] if named else None


def _array(item: str) -> str:
    return f"({item})[]" if "|" in item else f"{item}[]"


def _words(alias: Any) -> str:
    return " | ".join(f"'{word}'" for word in get_args(alias))


if __name__ == "__main__":
    sys.stdout.write(typescript())
