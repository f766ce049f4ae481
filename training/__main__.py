"""`python -m training realdata` reproduces the published checkpoints and results; `python -m training report` draws the
figures and writes the tables and the model card from them."""

import argparse
import sys
from pathlib import Path

from hetmoe.config import CONFIGURATIONS
from hetmoe.inference import DEVICES, choose_device
from training.card import write_card
from training.data import DataError
from training.figures import write_figures
from training.loop import Recipe
from training.realdata import QUICK, SEEDS, Job, available_cores, current_commit, run_all
from training.report import realdata_report
from training.results import ResultsError, read
from training.slide import CannotDraw

PROJECT = Path(__file__).parent.parent


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    realdata = commands.add_parser(
        "realdata", help="CIFAR-10, Speech Commands and MNIST: nine runs, 40 minutes on two cores"
    )
    realdata.add_argument("--configurations", nargs="+", choices=list(CONFIGURATIONS), default=list(CONFIGURATIONS))
    realdata.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    realdata.add_argument("--data-dir", type=Path, help="data folder (default: HETMOE_DATA, or ./data)")
    realdata.add_argument("--device", choices=DEVICES, default="auto")
    realdata.add_argument("--jobs", type=int, help="runs at a time (default: one a core, on a GPU one)")
    realdata.add_argument("--quick", action="store_true", help="one seed and 2,000 steps, into runs/quick: two minutes")
    realdata.add_argument("--output", type=Path, help="folder for results and weights (default: this project)")
    report = commands.add_parser("report", help="tables, figures and model card from the results so far")
    report.add_argument("--output", type=Path, default=PROJECT, help="folder of results and weights (default: this)")
    return parser.parse_args(arguments)


def jobs_of(options: argparse.Namespace) -> tuple[list[Job], int]:
    """The runs that the options ask for, the longest first, and how many to run at a time."""
    device = str(choose_device(options.device))
    cores = available_cores()
    seeds = options.seeds[:1] if options.quick else options.seeds
    pairs = [(c, s) for c in CONFIGURATIONS if c in options.configurations for s in seeds]
    pairs.sort(key=lambda pair: pair[0] == "homogeneous")
    commit = current_commit()  # now, before a long run gives the files time to change
    parallel = min(options.jobs or (cores if device == "cpu" else 1), len(pairs))
    return [
        Job(
            configuration,
            seed,
            QUICK if options.quick else Recipe(),
            options.data_dir,
            PROJECT / "runs",
            device,
            threads=max(1, cores // parallel),
            bar_position=i,
            commit=commit,
        )
        for i, (configuration, seed) in enumerate(pairs)
    ], parallel


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 if it worked, 1 with a sentence on stderr if not, 130 after Ctrl-C."""
    options = parse(arguments)
    try:
        return {"realdata": realdata, "report": report}[options.command](options)
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is lost. The same command goes on from here.", file=sys.stderr)
        return 130
    except (CannotDraw, DataError, ResultsError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def realdata(options: argparse.Namespace) -> int:
    output = options.output or (PROJECT / "runs" / "quick" if options.quick else PROJECT)
    results = output / "training" / "results"
    jobs, parallel = jobs_of(options)
    run_all(jobs, parallel, results, output / "weights")
    print(realdata_report(read(results / "realdata.csv")))
    return 0


def report(options: argparse.Namespace) -> int:
    results = options.output / "training" / "results"
    rows = read(results / "realdata.csv")
    print(f"wrote {write_card(rows, options.output / 'weights')}", file=sys.stderr)
    print(realdata_report(rows))
    for path in write_figures(results, results / "figures"):
        print(f"wrote {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
