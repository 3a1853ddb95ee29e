"""The command line: reads arguments, calls, prints. Exit codes: 0 done, 2 bad input, 1 ours."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.console import Console
    from typer.exceptions import TyperException
except ImportError as error:  # the command exists, its libraries are an extra
    raise SystemExit(f'rectifier: {error}; pip install "rectifier[study]"') from error

from rectifier import catalog
from rectifier.arguments import columns as columns_of
from rectifier.arguments import numbers as numbers_of
from rectifier.arguments import parameters as parameters_of
from rectifier.arguments import whole as whole_of
from rectifier.errors import InputError, MissingLibrary, RectifierError
from rectifier.expression import split_calls

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Which activation function, and why is my network stuck?",
)

_INTERRUPTED = 130  # what shells report for a process stopped by Ctrl-C

Data = Annotated[
    str, typer.Argument(help="Path of a table, or: breast_cancer, diabetes, digits, iris, wine.")
]
Target = Annotated[str | None, typer.Option("--target", "-y", help="Column to predict.")]
Drop = Annotated[list[str] | None, typer.Option(help="Columns to leave out: COL,...")]
Task = Annotated[str | None, typer.Option(help="classification or regression.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command()
def compare(
    data: Data,
    target: Target = None,
    activations: Annotated[
        str | None, typer.Option(help="relu,elu(alpha=0.5),... or all.  [default: 22 usual ones]")
    ] = None,
    baseline: Annotated[str, typer.Option(help="What the others must beat.")] = "relu",
    define: Annotated[
        list[str] | None, typer.Option(help="A candidate of your own: 'name = formula in x'.")
    ] = None,
    drop: Drop = None,
    task: Task = None,
    network: Annotated[
        str, typer.Option(help="mlp, cnn (pictures), or your own: my.py:function, a Keras model.")
    ] = "mlp",
    hidden: Annotated[
        str | None, typer.Option(help="Units of each hidden layer.  [default: 64,64; cnn 16,32]")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Picture of a row, for cnn: 28x28.  [default: a square]")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="AdamW's.")] = 0.0,
    dropout: Annotated[float, typer.Option(help="Share of hidden outputs left out.")] = 0.0,
    batch_norm: Annotated[
        bool, typer.Option("--batch-norm", help="Normalise before each activation.")
    ] = False,
    epochs: Annotated[int, typer.Option(help="At most so many; training stops early.")] = 100,
    patience: Annotated[int, typer.Option(help="Epochs without improvement before it stops.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 32,
    learning_rates: Annotated[
        str | None, typer.Option(help="Searched per activation.  [default: 0.0003 to 0.03]")
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Runs an activation; five test every row. auto: until settled.")
    ] = "10",
    tune_seeds: Annotated[int, typer.Option(help="Runs a learning rate, before.")] = 3,
    metric: Annotated[
        str | None,
        typer.Option(help="accuracy, balanced_accuracy, log_loss, roc_auc; r2, rmse, mae."),
    ] = None,
    interval: Annotated[
        str, typer.Option(help="crossed-corrected, crossed or nadeau-bengio.")
    ] = "crossed-corrected",
    budget: Annotated[str | None, typer.Option(help="Time it may take: 90s, 5m, 1h.")] = None,
    engine: Annotated[str, typer.Option(help="Where to train: local or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster.  [default: start Ray here]")
    ] = None,
    trainer: Annotated[
        str, typer.Option(help="native (this processor's code), jax (GPUs), or auto.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder.  [default: rectifier-runs/TABLE-TARGET]")
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
) -> None:
    """Train one network with every activation; say which to use, or that it does not matter."""
    from rectifier.report.addresses import check_addresses

    check_addresses()  # first: loading the libraries below may die of such a limit, too
    from rectifier.choose import Study, default_folder, keep_outcome, own_build, usable_folder
    from rectifier.report import terminal
    from rectifier.report.progress import StudyProgress, interruptible
    from rectifier.study import Settings, load, study
    from rectifier.study.settings import AUTO, CANDIDATES, LEARNING_RATES, parse_duration

    defined = [_define(text) for text in define or []]
    chosen = tuple(split_calls(activations)) if activations else ()
    settings = Settings(
        activations=(*(chosen or CANDIDATES), *defined),
        baseline=baseline,
        metric=metric,
        network=network,
        hidden=numbers_of("--hidden", hidden, int) if hidden is not None else None,
        image=numbers_of("--image", image.replace("x", ","), int) if image else None,
        weight_decay=weight_decay,
        dropout=dropout,
        batch_norm=batch_norm,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rates=(
            numbers_of("--learning-rates", learning_rates, float)
            if learning_rates
            else LEARNING_RATES
        ),
        seeds=Settings.seeds if seeds == AUTO else whole_of("--seeds", seeds),
        until_settled=seeds == AUTO,
        tune_seeds=tune_seeds,
        interval=interval,
        budget=parse_duration(budget) if budget else None,
        engine=engine,
        address=address,
        trainer=trainer,
        seed=seed,
    ).checked()
    table = load(data, target, drop=columns_of(drop), task=task)
    folder = out or default_folder(table.name, table.target)
    console = _console(quiet or as_json)
    with interruptible(StudyProgress(console)) as listener:
        build = own_build(settings)
        outcome = study(table, settings, usable_folder(folder), listener, _command(), build)
        done = Study(outcome, folder)
        keep_outcome(folder, done)
    if as_json:
        print(json.dumps(done.verdict, ensure_ascii=False, allow_nan=False))
        return
    if not quiet:
        console.print(terminal.findings(done.inspection))
        console.print(terminal.leaderboard(done.verdict))
        for warning in terminal.warnings(done.verdict):
            console.print(warning)
    last = Console(highlight=False)
    last.print(terminal.verdict_line(done.verdict), soft_wrap=not last.is_terminal)
    console.print(f"Report: {folder / 'report.html'}", highlight=False, markup=False)


@app.command()
def inspect(
    data: Data,
    target: Target = None,
    drop: Drop = None,
    task: Task = None,
    as_json: AsJson = False,
) -> None:
    """What is in a table, and what will go wrong when a network is trained on it."""
    from rectifier.choose import inspect as inspect_data
    from rectifier.report import terminal

    inspection = inspect_data(data, target, drop=columns_of(drop), task=task).to_dict()
    if as_json:
        print(json.dumps(inspection, ensure_ascii=False, allow_nan=False))
    else:
        _console().print(terminal.inspection(inspection))


@app.command()
def diagnose(
    model: Annotated[Path, typer.Argument(help="A .keras file; no code in it is run.")],
    data: Annotated[str, typer.Option(help="Path of a table, or a built-in one, or an .npz file.")],
    target: Target = None,
    loss: Annotated[str | None, typer.Option(help="Of Keras.  [default: the model's own]")] = None,
    batch_size: Annotated[int, typer.Option(help="Rows a batch.")] = 256,
    report: Annotated[Path | None, typer.Option(help="Page to write: an .html file.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong inside a model: dead, saturated, badly wired units, gradients that are lost."""
    from rectifier.repair.diagnosis import diagnose as diagnose_model
    from rectifier.repair.files import load_keras
    from rectifier.report.diagnosis.terminal import rendered

    loaded = load_keras(model)
    found = diagnose_model(loaded, data, target=target, loss=loss, batch_size=batch_size)
    if report is not None:
        found.report(report)
    if as_json:
        print(found.json())
        return
    console = _console()
    console.print(rendered(found.to_dict()))
    if report is not None:
        console.print(f"Report: {report}", highlight=False, markup=False)


@app.command()
def swap(
    model: Annotated[Path, typer.Argument(help="A .keras file; no code in it is run.")],
    replace: Annotated[
        list[str], typer.Option(help="relu=leaky_relu, or a layer's name: conv1=elu(alpha=0.5).")
    ],
    save: Annotated[Path, typer.Option(help="The .keras file to write.")],
    as_json: AsJson = False,
) -> None:
    """Another activation in a model's layers; weights and everything else stay."""
    from rectifier.repair.files import load_keras, save_keras
    from rectifier.repair.swapping import swap as swap_model
    from rectifier.repair.swapping.selection import pairs

    done = swap_model(load_keras(model), pairs(replace), inplace=True)
    save_keras(done.model, save)
    if as_json:
        print(done.json())
        return
    console = _console()
    for line in (*done.lines(), f"Model: {save}; load it where rectifier.keras is imported"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@app.command("list")
def list_activations() -> None:
    """Every activation: kind, range, monotone, smooth, parameters."""
    from rectifier.report.show import list_table

    _console().print(list_table([catalog.get(name) for name in catalog.names()]))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="An activation, e.g. leaky_relu or 'elu(alpha=2)'.")],
    save: Annotated[
        Path | None, typer.Option(help="Picture of it: a .png, .svg or .html file.")
    ] = None,
) -> None:
    """One activation: formula, derivative, facts, what every framework calls it, its curve.

    Its parameters are options: rectifier show leaky_relu --negative-slope 0.2
    """
    from rectifier.report import show as showing

    activation = catalog.get(name, **parameters_of(context.args))
    if save is not None:
        showing.save(activation, save)
    _console().print(showing.show(activation))


@app.command()
def gallery(
    file: Annotated[Path, typer.Argument(help="A .png, .svg or .html file to write.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Every entry instead of the nine classics.")
    ] = False,
) -> None:
    """A picture of the curves, or one offline page with every entry and sliders."""
    from rectifier.report.gallery import gallery as draw

    draw(file, all=everything)
    Console().print(f"Gallery: {file}", highlight=False, markup=False)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished compare.")],
) -> None:
    """Write report.html, runs.csv and verdict.json of a finished study again."""
    from rectifier.choose import reopen

    study = reopen(folder)
    study.write(folder)
    Console().print(f"Report: {folder / 'report.html'}", highlight=False, markup=False)


def main() -> None:
    """The ``rectifier`` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows ? for what it lacks
    try:
        code = app(standalone_mode=False) or 0
        if code == _INTERRUPTED:  # Typer's own answer to Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code)
    except TyperException as error:
        _fail(error.format_message(), 2)
    except MissingLibrary as error:
        _fail(str(error), 2)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rectifier"):
            raise
        _fail(str(MissingLibrary(error.name, "study")), 2)
    except InputError as error:
        _fail(str(error), 2)
    except RectifierError as error:
        _fail(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        _fail(
            "stopped; finished runs are kept, and the same command goes on from there", _INTERRUPTED
        )
    except BrokenPipeError:  # the reader went away, as in: rectifier list | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (MemoryError, ImportError, OSError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        _fail("out of memory; finished runs are kept, and the same command goes on from there", 1)


def _lacks_memory(error: Exception) -> bool:
    """Whether a lack of memory shows so; it does in loading a library and starting a thread too."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, ImportError) and "failed to map" in text)
        or (isinstance(error, OSError) and (error.errno == errno.ENOMEM or "shared obj" in text))
        or (isinstance(error, RuntimeError) and "start new thread" in text)
    )


def _fail(message: str, code: int) -> None:
    print("rectifier: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(help="1 M elements of float32, four functions.")] = False,
    functions: Annotated[str | None, typer.Option(help="relu,gelu,...  [default: all]")] = None,
    sizes: Annotated[str | None, typer.Option(help="1K,100K,1M,16M.  [default: all]")] = None,
    seconds: Annotated[float, typer.Option(help="For each function, size and dtype.")] = 1.5,
    out: Annotated[Path, typer.Option(help="Folder of bench.csv and bench.png.")] = Path("."),
) -> None:
    """Measure our kernels beside NumPy, numexpr, torch, JAX and a copy."""
    from rectifier.report.bench_chart import run

    names = functions.split(",") if functions else None
    spans = sizes.split(",") if sizes else None
    run(_console(), quick, names, spans, seconds, out)


def _console(silent: bool = False) -> Console:
    """As wide as the terminal; 100 columns where there is none, so that nothing is dropped."""
    console = Console(quiet=silent)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 100
    return console


def _command() -> str:
    import shlex

    return shlex.join(["rectifier", *sys.argv[1:]])


def _define(text: str) -> str:
    name, equals, formula = text.partition("=")
    if not equals:
        raise InputError(f"--define needs 'name = formula', got {text!r}")
    return catalog.define(name.strip(), formula).name


if __name__ == "__main__":
    main()
