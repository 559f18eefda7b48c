"""One of the processes of a training stage: ``python -m pipelines.training.worker REQUEST``, started by ``accelerate launch``.

Every process reads the same data and runs the same stage, which the trainer shares out. The first one shows the bar and leaves the
model and the figures; what another writes goes to a folder of its own that nobody reads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from corpora.disk import write_whole
from pipelines.artifact import Draft, load_artifact
from pipelines.config import Recipe
from pipelines.launching.launch import METRICS, write_error


def end_with_the_parent() -> None:
    """Ends this process when the pipe at its standard input is closed: its parent is gone, or has closed it.

    A byte in the pipe is the number of a signal that the parent had. One process reads it, and tells the others at the end of a step.
    """

    def watch() -> None:
        while byte := os.read(0, 1):
            # Where nothing is saved, Ctrl-C would be an error of whatever is under way; SIGTERM ends the process.
            unheard = signal.getsignal(byte[0]) is signal.default_int_handler
            os.kill(os.getpid(), signal.SIGTERM if unheard else byte[0])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def work(request: Path, rank: int) -> None:
    """Runs the stage of the request as the process of this rank."""
    from pipelines import training
    from pipelines.data import Sources
    from pipelines.inputs import Inputs
    from pipelines.reproduce import run_stage
    from serving.hardware import use_processor_well
    from serving.memory import peak_memory_gib

    given = json.loads(request.read_text(encoding="utf-8"))
    recipe = Recipe.model_validate(given["recipe"])
    assert recipe.launch is not None
    run_dir, data_dir = Path(given["run_dir"]), given["data_dir"]
    training.quiet()
    use_processor_well(int(os.environ["LOCAL_WORLD_SIZE"]))
    earlier = {name: load_artifact(run_dir / name) for name in recipe.stages}
    artifacts = {name: artifact for name, artifact in earlier.items() if artifact is not None}
    sources = Sources(data_dir and Path(data_dir), recipe.seed, artifacts)
    inputs = Inputs(recipe, sources, recipe.launch.processes)
    with tempfile.TemporaryDirectory() as own:
        draft = Draft(Path(given["folder"]) if rank == 0 else Path(own))
        draft.checkpoints = request.parent
        run_stage(recipe.stages[given["stage"]], inputs, draft)
    if rank == 0:
        draft.metrics["peak_memory_gib_of_first_process"] = round(peak_memory_gib([os.getpid()]), 3)
        write_whole(request.parent / METRICS, json.dumps(draft.metrics, ensure_ascii=False))


def main() -> None:
    """Entry point: exit code 1 after an error, which is left in a file for the parent to tell once."""
    request, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    end_with_the_parent()
    if rank != 0:
        os.environ["TQDM_DISABLE"] = "1"
    try:
        work(request, rank)
    except BaseException as error:
        write_error(request.parent, rank, error)
        traceback.print_exc()
        # Without the goodbyes of libraries, some of which wait for processes that may be gone.
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
