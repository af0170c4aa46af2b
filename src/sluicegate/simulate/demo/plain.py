"""The demonstration where there is no terminal: one line a second."""

from sluicegate.simulate.demo.figures import answered_lately
from sluicegate.simulate.demo.record import RunRecord
from sluicegate.simulate.sender import Outcome


def line(record: RunRecord) -> str:
    """What happens now, in one line of text."""
    at, gateway, dsp = record.last.at, record.last.gateway, record.last.dsp
    answers = [answered_lately(record, number) for number in range(len(record.scenario.users))]
    delivered = sum(one[Outcome.DELIVERED] for one in answers)
    failed = sum(one[Outcome.FAILED] + one[Outcome.REFUSED] for one in answers)
    throttled = [user.name for user, one in zip(record.scenario.users, answers, strict=True) if one[Outcome.THROTTLED]]
    dsp_state = "OUTAGE" if dsp.down else "overloaded" if dsp.overloaded else "up"
    return (
        f"{at:5.1f} s  {record.scenario.phase(at):5}  offered {gateway.rates.offered:5.0f} SR/s  "
        f"gateway {gateway.state:6}  DSP {dsp_state:10} queue {dsp.queue:4}  "
        f"delivered {delivered:4}  failed {failed:4}  "
        f"throttled: {', '.join(throttled) or 'nobody'}"
    )
