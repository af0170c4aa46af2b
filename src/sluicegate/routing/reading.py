"""From the rows of a table of devices to the table, or to what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from sluicegate.routing import devices
from sluicegate.routing.devices import Builder, Devices
from sluicegate.routing.problems import MOST_NAMED, RouteProblem, RoutesError
from sluicegate.routing.sources import Source
from sluicegate.settings.problems import shown

_EUI64 = re.compile(r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}", re.ASCII)


def read(sources: Sequence[Source], regions: Mapping[str, int]) -> Devices:
    """The devices of all sources together; `regions` are the numbers of the regions.

    Rows are read one by one. A device may be there twice, as long as its region is the same.

    Raises:
        RoutesError: what cannot be read, or is wrong: the first problems, and how many there are.
    """
    builder, wrong, total = Builder(), list[RouteProblem](), 0
    fullmatch, number_of, most = _EUI64.fullmatch, regions.get, devices.MOST_DEVICES
    for source in sources:
        for line, device, region in source.rows():
            number = number_of(region) if isinstance(region, str) else None
            if number is None or not isinstance(device, str) or fullmatch(device) is None:
                total += 1
                if len(wrong) < MOST_NAMED:
                    wrong.append(_problem(source.name, line, device, region, regions))
                continue
            builder.add(int(device.replace("-", ""), 16), number)
            if builder.count > most:
                reason = f"there are more than {most:,} devices: put those of whole regions into `prefixes`"
                raise RoutesError([RouteProblem(source.name, line, "", reason)])
    table = builder.devices(MOST_NAMED)
    if builder.conflicts:
        wrong += _conflicts(sources, set(builder.conflicting[: MOST_NAMED - len(wrong)]))
    if wrong:
        raise RoutesError(wrong, total + builder.conflicts)
    return table


def _problem(source: str, line: int, device: object, region: object, regions: Mapping[str, int]) -> RouteProblem:
    if isinstance(device, list):
        reason = f"must have two columns, device and region, and has {len(device)}"
        return RouteProblem(source, line, "", reason)
    if not isinstance(device, str) or not _EUI64.fullmatch(device):
        reason = (
            f"{'NULL' if device is None else shown(device)} is not an EUI-64: eight pairs of hex digits joined by -"
        )
        return RouteProblem(source, line, "device", reason)
    close = get_close_matches(str(region)[:60], regions, n=1)
    meant = f": did you mean {shown(close[0])}?" if close else ": write the `name` of a [[csp]] exactly"
    return RouteProblem(source, line, "region", f"there is no CSP {'NULL' if region is None else shown(region)}{meant}")


def _conflicts(sources: Sequence[Source], wanted: set[int]) -> list[RouteProblem]:
    """Reads all again, to say where devices with several regions stand. The table itself keeps no lines."""
    first: dict[int, tuple[str, int, str]] = {}
    found: dict[int, RouteProblem] = {}
    for source in sources if wanted else ():
        for line, device, region in source.rows():
            if not isinstance(device, str) or not isinstance(region, str) or not _EUI64.fullmatch(device):
                continue
            key = int(device.replace("-", ""), 16)
            if key not in wanted or key in found:
                continue
            where, other_line, other = first.setdefault(key, (source.name, line, region))
            if other != region:
                there = f"line {other_line}" if where == source.name else f"{where}:{other_line}"
                reason = f"{device} is in {shown(region)} here, and in {shown(other)} in {there}"
                found[key] = RouteProblem(source.name, line, "region", reason)
    return list(found.values())
