"""Chooses what runs the tasks of a sweep: processes of this machine, or a Dask cluster."""

from gradpareto.bench.run.engines.address import checked
from gradpareto.bench.run.engines.processes import Processes
from gradpareto.bench.run.engines.task import EngineLost, Workers


def workers(jobs: int, scheduler: str | None = None) -> Workers:
    """Return an executor of `jobs` processes, or of the Dask cluster of a scheduler.

    Raises EngineLost if that cannot be used, and ValueError for an address that is none.
    """
    if scheduler is None:
        return Processes(jobs)
    address = checked(scheduler)
    try:
        from gradpareto.bench.run.engines.dask_cluster import DaskCluster  # noqa: PLC0415
    except ModuleNotFoundError as error:  # it is an extra
        raise EngineLost(
            f"a Dask scheduler needs {error.name}: pip install 'gradpareto[dask]'"
        ) from error
    return DaskCluster(address)
