"""`python -m training realdata` reproduces the published checkpoints and results, `controls` and `synthetic` the other
experiments; `python -m training report` writes REPORT.md, what the page shows of it, figures and model card."""

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import Family
from hetmoe.inference import DEVICES, choose_device
from training import controls, frontier, realdata, synthetic
from training.audit.command import audit_command
from training.classification import SEEDS
from training.cluster import on_cluster
from training.data import DataError, load_splits
from training.figures import write_figures
from training.grid import (
    Finished,
    Settings,
    Start,
    available_cores,
    current_commit,
    failure_file,
    in_processes,
    run_grid,
)
from training.landscape import landscape_command
from training.plan import MakePlan, execute
from training.report.card import write_card
from training.report.comparison import Results
from training.report.document import write_report
from training.report.frontier_tables import frontier_report
from training.report.realdata_tables import realdata_report
from training.results import CURVE_COLUMNS, ResultsError, Run, of_family, read, replace_run
from training.slide import CannotDraw
from training.status import legend, standings, table
from training.together import in_groups
from training.watch import watched

PROJECT = Path(__file__).parent.parent
GRIDS = {  # by the name of their command
    "frontier": [frontier.runs(list(frontier.CONFIGURATIONS), list(SEEDS))],
    "realdata": [realdata.runs(list(realdata.CONFIGURATIONS), list(SEEDS))],
    "controls": [controls.runs(list(controls.CONTROLS), list(SEEDS))],
    "synthetic": [synthetic.runs(list(synthetic.EXPERTS), None, None, long) for long in (False, True)],
}


class RunsFailed(Exception):
    """Runs of a grid that failed, each with its reason."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def grid(name: str, help: str, configurations: list[str], seeds: tuple[int, ...] | None) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help)
        command.add_argument(
            "--configurations", nargs="+", choices=configurations, default=configurations, metavar="NAME",
            help=f"of {', '.join(configurations)} (default: all)",
        )  # fmt: skip
        command.add_argument("--seeds", nargs="+", type=int, default=seeds and list(seeds), metavar="SEED")
        command.add_argument("--device", choices=DEVICES, default="auto")
        where = command.add_mutually_exclusive_group()
        where.add_argument("--jobs", type=int, help="runs at a time (default: one a core, on a GPU one)")
        where.add_argument("--ray", metavar="ADDRESS", help="on a Ray cluster; a core for each run, or --device cuda")
        command.add_argument("--watch", action="store_true", help="live curves in Trackio, on this machine")
        command.add_argument("--quick", action="store_true", help="one seed and a short recipe, into runs/quick")
        command.add_argument("--output", type=Path, help="folder for results and weights (default: this project)")
        return command

    help = "CIFAR-10, Speech Commands and MNIST: nine runs, 40 minutes on two cores"
    best = "the strongest mixture of the same size, and its controls"
    for command in (
        grid("realdata", help, list(CONFIGURATIONS), SEEDS),
        grid("frontier", best, list(frontier.CONFIGURATIONS), SEEDS),
        grid("controls", "what else could explain the real-data result", list(controls.CONTROLS), SEEDS),
    ):
        command.add_argument("--data-dir", type=Path, help="data folder (default: HETMOE_DATA, or ./data)")
    help = f"regression on four generators: {synthetic.RECIPE.epochs * synthetic.RECIPE.steps} steps, many budgets"
    command = grid("synthetic", help, list(synthetic.EXPERTS), None)
    command.add_argument("--budgets", nargs="+", type=int, metavar="PARAMETERS")
    command.add_argument("--long", action="store_true", help="5,000 steps, two budgets, three seeds")
    command = commands.add_parser("audit", help="whom a checkpoint serves how well, and whether its experts work")
    command.add_argument("checkpoints", nargs="*", type=Path, help="default: the published ones")
    command.add_argument("--device", choices=DEVICES, default="auto")
    command.add_argument("--data-dir", type=Path, help="data folder (default: HETMOE_DATA, or ./data)")
    command.add_argument("--output", type=Path, default=PROJECT, help="folder for results (default: this project)")
    help = "where the test inputs lie among a checkpoint's experts, and what is unlike them all, for the page"
    command = commands.add_parser("landscape", help=help)
    command.add_argument("--device", choices=DEVICES, default="auto")
    command.add_argument("--data-dir", type=Path, help="data folder (default: HETMOE_DATA, or ./data)")
    command.add_argument("--output", type=Path, default=PROJECT, help="folder of results and weights (default: this)")
    status = commands.add_parser("status", help="what is done, running, interrupted, failed, waiting")
    status.add_argument("experiment", nargs="?", choices=list(GRIDS), metavar="EXPERIMENT", help="default: all")
    status.add_argument("--output", type=Path, default=PROJECT, help="folder of results (default: this project)")
    report = commands.add_parser("report", help="REPORT.md, figures and model card from the results so far")
    report.add_argument("--output", type=Path, default=PROJECT, help="folder of results and weights (default: this)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 if it worked, 1 with a sentence on stderr if not, 130 after Ctrl-C."""
    options = parse(arguments)
    try:
        return COMMANDS[options.command](options)
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is lost. The same command goes on from here.", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:  # what the page needs is there, or this would not run
        print(f"error: {error}: pip install -r requirements-training.txt", file=sys.stderr)
        return 1
    except (CannotDraw, DataError, ResultsError, RunsFailed, ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run_command(
    options: argparse.Namespace,
    runs: list[Run],
    plan: MakePlan,
    results: Path,
    publish: Callable[[Finished], None] = lambda finished: None,
    family: Family = "replica",
) -> tuple[list[Finished], Settings]:
    """Runs a grid; every finished run goes at once into `results`, a CSV, and its curve into the one beside it.

    family: whose encodings the data is needed in. Raises RunsFailed, when all others are done, if runs have failed.
    """
    if not runs:
        raise ValueError("none of these runs belongs to this experiment; see `python -m training status`")
    curves = results.with_name(f"{results.stem}_curves.csv")
    for path, columns in ((results, ()), (curves, CURVE_COLUMNS)):
        read(path, *[columns] if columns else [])  # a foreign file is better noticed before the runs than after
    folder = PROJECT / "runs" / "quick" if options.quick else PROJECT / "runs"
    if options.ray:
        device, threads = "cuda" if options.device == "cuda" else "cpu", 1
        gpus = 1 if device == "cuda" else 0
        start: Start = partial(on_cluster, address=options.ray, folder=folder, cpus=threads, gpus=gpus)
    else:
        device, cores = str(choose_device(options.device)), available_cores()
        parallel = min(options.jobs or (cores if device == "cpu" else 1), len(runs))
        threads, start = max(1, cores // parallel), partial(in_processes, parallel=parallel)
    data_dir = None
    if "data_dir" in options:
        load_splits(options.data_dir, family=family)  # download and encode once, before several workers want to
        data_dir = options.data_dir and options.data_dir.resolve()
    commit = current_commit()  # now, before a long run gives the files time to change
    settings = Settings(data_dir, folder, device, threads, commit, options.quick)
    if device == "cuda" and not options.ray and parallel == 1:
        start = partial(in_groups, plan=plan, settings=settings)
    finished: list[Finished] = []

    def record(outcome: Finished) -> None:
        replace_run(results, outcome.run, outcome.rows)
        replace_run(curves, outcome.run, outcome.curve, CURVE_COLUMNS)
        publish(outcome)
        finished.append(outcome)

    with watched(runs, folder) if options.watch else nullcontext():
        failed = run_grid(runs, partial(execute, plan), settings, start, record)
    if failed:
        reasons = "".join(
            f"\n  {f.run.configuration} {f.run.budget} {f.run.seed}: {f.reason}\n"
            f"    see {failure_file(f.run, settings.runs)}"
            for f in failed
        )
        raise RunsFailed(
            f"{len(failed)} of {len(runs)} runs failed, the others are recorded. The same command tries them again."
            + reasons
        )
    return finished, settings


def output_of(options: argparse.Namespace) -> tuple[Path, list[int]]:
    """Where results go, and the seeds to run."""
    seeds = options.seeds[:1] if options.quick else options.seeds
    return options.output or (PROJECT / "runs" / "quick" if options.quick else PROJECT), seeds


def run_realdata(options: argparse.Namespace) -> int:
    """Of the family that the command names: realdata is the replica's."""
    output, seeds = output_of(options)
    results = output / "training" / "results" / "realdata.csv"
    family, report = (frontier, frontier_report) if options.command == "frontier" else (realdata, realdata_report)
    runs = family.runs(options.configurations, seeds)
    publish = partial(realdata.publish, weights=output / "weights")
    run_command(options, runs, family.plan, results, publish, family.FAMILY)
    print(report(of_family(read(results), family.FAMILY)))
    return 0


def run_controls(options: argparse.Namespace) -> int:
    output, seeds = output_of(options)
    results = output / "training" / "results" / "controls.csv"
    runs = controls.runs(options.configurations, seeds)
    finished, settings = run_command(options, runs, controls.plan, results)
    for run, rows in controls.complementarity(finished, settings):
        replace_run(results, run, rows)
    return 0


def run_synthetic(options: argparse.Namespace) -> int:
    seeds = options.seeds
    if options.quick:
        seeds = (seeds or list(synthetic.SEEDS))[:1]
    output = options.output or (PROJECT / "runs" / "quick" if options.quick else PROJECT)
    runs = synthetic.runs(options.configurations, options.budgets, seeds, options.long)
    run_command(options, runs, synthetic.plan, output / "training" / "results" / "synthetic.csv")
    return 0


def run_audit(options: argparse.Namespace) -> int:
    paths = options.checkpoints or sorted((PROJECT / "weights").glob("*.safetensors"))
    results = options.output / "training" / "results"
    print(audit_command(paths, options.data_dir, str(choose_device(options.device)), results))
    return 0


def run_landscape(options: argparse.Namespace) -> int:
    results, device = options.output / "training" / "results", str(choose_device(options.device))
    print(f"wrote {landscape_command(options.output / 'weights', options.data_dir, device, results)}", file=sys.stderr)
    return 0


def run_status(options: argparse.Namespace) -> int:
    for name in [options.experiment] if options.experiment else GRIDS:
        for runs in GRIDS[name]:
            results = options.output / "training" / "results" / f"{runs[0].experiment}.csv"
            print(table(standings(runs, results, PROJECT / "runs")), end="\n\n")
    print(legend())
    return 0


def run_report(options: argparse.Namespace) -> int:
    results = options.output / "training" / "results"
    found = Results.load(results)
    print(f"wrote {write_card(found, options.output / 'weights')}", file=sys.stderr)
    print(realdata_report(found.realdata), frontier_report(found.frontier), sep="\n\n")
    for path in [*write_report(results), *write_figures(results, results / "figures")]:
        print(f"wrote {path}", file=sys.stderr)
    return 0


COMMANDS = {
    "realdata": run_realdata,
    "frontier": run_realdata,
    "controls": run_controls,
    "synthetic": run_synthetic,
    "audit": run_audit,
    "landscape": run_landscape,
    "status": run_status,
    "report": run_report,
}

if __name__ == "__main__":
    sys.exit(main())
