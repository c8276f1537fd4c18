"""Steps 5-7: one aircraft, delays by tag, the world as of a moment."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from pyesdb import Selector, Store, select
from pyesdb.cli.demo import check
from pyesdb.cli.demo.flights import UNASSIGNED
from pyesdb.cli.demo.report import Step
from pyesdb.cli.demo.run import DAY, Run, Watch, start_of_day


@dataclass
class Log:
    """The route log of an aircraft, folded from its stream."""

    planned: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    minutes: int = 0
    miles: int = 0
    lines: list[str] = field(default_factory=list[str])
    gapless: bool = True


def follow_an_aircraft(run: Run) -> Step:
    """The busiest aircraft's stream, read back as its route log."""
    carrier, stream = _busiest(run)
    watch = Watch()
    log = _route_log(run.store(carrier), stream)
    seconds = watch.seconds
    rows = run.expected.legs[carrier, stream.removeprefix("aircraft-")]
    flown = log.outcomes["FlightArrived"]
    lines = log.lines if len(log.lines) <= 5 else [*log.lines[:4], "...", log.lines[-1]]
    return Step(
        f"Follow one aircraft: {stream.removeprefix('aircraft-')} of {run.airlines.get(carrier)}",
        f"{log.planned:,} flights planned, {flown:,} flown, {log.minutes / 60:,.0f} h in the air, "
        f"{log.miles:,} miles; read in {seconds * 1000:.1f} ms",
        f'db.store("{run.store(carrier).id}").read("{stream}")',
        lines,
        {"stream": stream, "flights": log.planned, "flown": flown, "csv": rows},
        ""
        if log.planned == log.outcomes.total() == rows and log.gapless
        else (f"{log.planned} flights in the stream, {rows} in the csv"),
    )


def _busiest(run: Run) -> tuple[str, str]:
    sizes = {
        (carrier, stream): size
        for carrier, found in run.counted.items()
        for stream, size in found.streams.items()
        if stream != UNASSIGNED
    }
    return max(sizes, key=lambda key: (sizes[key], key))


def _route_log(store: Store, stream: str) -> Log:
    log = Log()
    miles: dict[str, int] = {}
    for number, event in enumerate(store.read(stream)):
        log.gapless = log.gapless and event.version == number
        data = event.json()
        if event.type == "FlightScheduled":
            log.planned += 1
            miles[data["flight"]] = data["distance_miles"]
            continue
        if event.type == "FlightDeparted":
            continue
        log.outcomes[event.type] += 1
        route = f"{data['flight']:<7}{data['origin']} -> {data['destination']}"
        if event.type == "FlightArrived":
            log.minutes += data["air_minutes"]
            log.miles += miles[data["flight"]]
            ending = f"arrived {_delay(data['delay_minutes'])}"
        else:
            ending = event.type.removeprefix("Flight").lower()
        log.lines.append(f"{event.time:%d %b %H:%MZ}  {route}  {ending}")
    return log


def _delay(minutes: int) -> str:
    if minutes == 0:
        return "on time"
    return f"{abs(minutes)} min {'late' if minutes > 0 else 'early'}"


def delays_by_tag(run: Run) -> Step:
    """Arrival delays at the busiest destination, airline by airline, through the tag index."""
    places: Counter[str] = Counter()
    for (_, place), arrivals in run.expected.arrivals.items():
        places[place] += arrivals
    place = max(places, key=lambda name: (places[name], name))
    chosen = select.tags(f"destination:{place}") & select.event_type("FlightArrived")
    watch = Watch()
    found = {carrier: _delays(run.store(carrier), chosen) for carrier in run.flying}
    count = sum(number for number, _ in found.values())
    figure = watch.rate(count, "arrivals")
    lines = [
        f"{carrier}  {run.airlines.get(carrier, ''):26.26} {number:>7,} arrivals, "
        f"mean delay {minutes / number:+6.1f} min"
        for carrier, (number, minutes) in found.items()
        if number
    ]
    csv = {
        carrier: (run.expected.arrivals[carrier, place], run.expected.delay_minutes[carrier, place])
        for carrier in run.flying
    }
    return Step(
        f"Find the delays at {place} by tag, in {len(found)} stores",
        f"{figure}, by index",
        f'store.read_all(select=select.tags("destination:{place}") & '
        'select.event_type("FlightArrived"))',
        lines,
        {"destination": place, "arrivals": count, "seconds": watch.seconds},
        "" if found == csv else f"arrivals and minutes: stored {found}, csv {csv}",
    )


def _delays(store: Store, chosen: Selector) -> tuple[int, int]:
    delays = [event.json()["delay_minutes"] for event in store.read_all(select=chosen)]
    return len(delays), sum(delays)


def world_as_of(run: Run) -> Step:
    """All stores as they stood when a day began: a date is a position, found by bisection."""
    moment = _middle(run)
    watch = Watch()
    counts: Counter[str] = Counter()
    departed: Counter[str] = Counter()
    for carrier in run.flying:
        store = run.store(carrier)
        position = position_before(store, moment)
        then = Counter(event.type for event in store.read_all(as_of=position))
        departed[carrier] = then["FlightDeparted"]
        counts += then
    seconds = watch.seconds
    csv = check.departures_before(run.source.path, moment)
    airborne = counts["FlightDeparted"] - counts["FlightArrived"] - counts["FlightDiverted"]
    return Step(
        f"See the world as of {moment:%d %B %Y, %H:%M} UTC",
        f"{airborne:,} flights in the air, {counts['FlightArrived']:,} landed and "
        f"{counts['FlightCancelled']:,} cancelled since the start; {seconds:.2f} s",
        "store.read_all(as_of=position)",
        ["the stores are in order of days, so a date is a position, found in ~17 short reads"],
        {"moment": moment, "airborne": airborne, "departed": departed.total()},
        "" if departed == csv else f"departures: stored {dict(departed)}, csv {dict(csv)}",
    )


def _middle(run: Run) -> datetime:
    """The start of the day in the middle of the flights, or of the second of two days."""
    found = run.counted.values()
    first = min(one.first for one in found if one.first)
    last = max(one.last for one in found if one.last)
    return start_of_day(max(first + (last - first) / 2, min(first + DAY, last)))


def position_before(store: Store, day: datetime) -> int:
    """The position of the last event before the start of a day; 0 if there is none."""
    newest = store.read_all(backwards=True, limit=1).first()
    low, high = 0, newest.position if newest else 0
    while low < high:
        middle = (low + high + 1) // 2
        event = store.read_all(after=middle - 1, limit=1).first()
        if event is not None and event.time < day:
            low = middle
        else:
            high = middle - 1
    return low
