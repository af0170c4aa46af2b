"""Studies: several policies over one scenario, equivalent capacity, costs, sweeps, and the files of them."""

from sluicegate.simulate.evidence.files import FolderError, check_folder
from sluicegate.simulate.study.crew import Silent, Watch, cores
from sluicegate.simulate.study.files import NAMES, write
from sluicegate.simulate.study.grid import Parameter, SweepError, check_size, corners, parameter
from sluicegate.simulate.study.study import SEARCHES, Study, study
from sluicegate.simulate.study.sweep import ClusterError, Sweep, sweep

__all__ = [
    "NAMES",
    "SEARCHES",
    "ClusterError",
    "FolderError",
    "Parameter",
    "Silent",
    "Study",
    "Sweep",
    "SweepError",
    "Watch",
    "check_folder",
    "check_size",
    "cores",
    "corners",
    "parameter",
    "study",
    "sweep",
    "write",
]
