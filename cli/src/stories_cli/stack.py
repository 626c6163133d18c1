"""Commands for the stack itself: up, down, status, env, logs, doctor, init."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from stories_shared.events.cloudevents import SERVICES

from . import target
from .console import FAILED, NOT_ALL_RUNNING, USAGE, AsJson, abort, exit_on, info, one_of, print_json
from .installed import EMBEDDED, INSTALLED_SERVICES
from .log_tail import follow
from .target import DEFAULT_DATA, Data, EnvFile

STORES = ["seaweedfs", "minio"]


def _process_names() -> list[str]:
    return [each.name for each in target.folder(DEFAULT_DATA).processes()] if EMBEDDED else []


ServiceArgument = Annotated[
    str | None,
    typer.Argument(metavar="SERVICE", help="One of the four services.", autocompletion=one_of(lambda: list(SERVICES))),
]


def up(
    data: Data = DEFAULT_DATA,
    lifetimes: Annotated[
        str | None,
        typer.Option(metavar="24h,…", help="Allowed lifetimes of stories, the default first; 24h unless given."),
    ] = None,
    gateway_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port of the gateway; 0 chooses a free one.")
    ] = 8080,
    replicas: Annotated[
        str,
        typer.Option(metavar="SERVICE=N,…", help="Processes of a service, 1 to 16, such as feed=2; 1 unless given."),
    ] = "",
    s3: Annotated[
        str, typer.Option(metavar="|".join(STORES), help="Object store.", autocompletion=one_of(lambda: STORES))
    ] = "seaweedfs",
    observe: Annotated[
        bool,
        typer.Option("--observe", help="Also run a Prometheus that scrapes the services and evaluates the alerts."),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once everything is ready, and leave it running.")
    ] = False,
) -> None:
    """Run MongoDB, Kafka, an object store, the four services and the gateway until Ctrl-C.

    Settings of the services are taken from the environment, such as LIMIT_CREATE=1000.
    """
    folder = target.folder(data)
    from stories_embedded import daemon, supervisor
    from stories_embedded.data_dir import AlreadyRunning
    from stories_embedded.paths import NotInstalled
    from stories_embedded.ports import PortTaken
    from stories_embedded.server import DidNotStart
    from stories_embedded.topology import Options

    if s3 not in STORES:
        abort(f"--s3: {' or '.join(STORES)}, not {s3!r}", USAGE)
    options = Options(gateway_port, lifetimes, _counts(replicas), s3, observe)
    with exit_on(AlreadyRunning, PortTaken, NotInstalled, DidNotStart):
        if detach:
            if stack := folder.running():
                raise AlreadyRunning(f"a stack runs in {folder.path} already (pid {stack.pid}, {stack.url})")
            stack = daemon.launch(folder, _up_arguments(data, lifetimes, gateway_port, replicas, s3, observe))
            _ready(stack.url)
            return
        code = supervisor.run(folder, options, _greet(data), info)
    raise typer.Exit(code)


def down(data: Data = DEFAULT_DATA) -> None:
    """Stop the stack. It is no error if none runs."""
    folder = target.folder(data)
    from stories_embedded import daemon

    with exit_on(TimeoutError):
        info("stopped" if daemon.stop(folder) else "no stack is running")


def status(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List the processes of the stack. Exits with 3 unless all are running."""
    processes = target.folder(data).processes()
    if as_json:
        print_json([asdict(each) for each in processes])
    else:
        rows = [("name", "pid", "state", "restarts", "url")]
        rows += [
            (each.name, str(each.pid or "-"), each.state, str(each.restarts), each.url or "-") for each in processes
        ]
        for name, pid, state, restarts, url in rows:
            print(f"{name:<12} {pid:>8}  {state:<10} {restarts:>8}  {url}")
    if any(each.state != "running" for each in processes):
        raise typer.Exit(NOT_ALL_RUNNING)


def env(
    service: ServiceArgument = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Print the settings of the running stack as NAME=value lines.

    With SERVICE, prints those with which one more replica of it can be started by hand, on a free port.
    """
    stack = target.running(data)
    if stack is None:
        abort(f"no stack runs in {data}")
    if service is not None and service not in stack.services:
        abort(f"no such service: {service}; there are {', '.join(stack.services)}", USAGE)
    settings = dict(stack.settings)
    if service is not None:
        from stories_embedded.ports import free_port

        settings = {**stack.services[service], "PORT": str(free_port(set()))}
    if as_json:
        print_json(dict(sorted(settings.items())))
        return
    for name in sorted(settings):
        print(f"{name}={settings[name]}")


def logs(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Processes; by default all.", autocompletion=one_of(_process_names)),
    ] = None,
    following: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing lines as they are written.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Lines of each process to begin with.")] = 100,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print the logs of the processes, each line under the name of its process."""
    folder = target.folder(data)
    known = sorted(path.stem for path in (folder.path / "logs").glob("*.log"))
    if unknown := [name for name in names or [] if name not in known]:
        abort(f"no log of {', '.join(unknown)}; there are {', '.join(known) or 'none'}", USAGE)
    follow({name: folder.log(name) for name in names or known}, lines, forever=following)


def doctor(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List everything this machine lacks to run the stack, with the command that installs it. Exits with 1 if any."""
    folder = target.folder(data)
    from stories_embedded import doctor

    missing = list(doctor.missing(folder))
    if as_json:
        print_json(missing)
    else:
        for line in missing:
            print(line)
    if missing:
        raise typer.Exit(FAILED)
    info("nothing is missing")


def init(
    service: ServiceArgument = None,
    settle: Annotated[
        bool,
        typer.Option("--settle", help="After an upgrade: also drop the indexes that only the previous release needs."),
    ] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
) -> None:
    """Create topics, the bucket and indexes. Every deployment runs it first; it is idempotent.

    With SERVICE, creates only what that service owns.
    """
    if service is not None and service not in SERVICES:
        abort(f"no such service: {service}; there are {', '.join(SERVICES)}", USAGE)
    names = [service] if service else list(SERVICES)
    if absent := [name for name in names if name not in INSTALLED_SERVICES]:
        abort(f"not installed here: {', '.join(absent)}; each image has its own: python -m stories_{absent[0]} init")
    for name in names:
        own = target.settings(data, env_file, name)
        command = [sys.executable, "-m", f"stories_{name}", "init", *(["--settle"] if settle else [])]
        run = subprocess.run(command, check=False, env={**os.environ, **own})
        if run.returncode:
            abort(f"{name} init ended with {run.returncode}", run.returncode)
        info(f"{name}: topics, bucket and indexes exist")


def _counts(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in filter(None, text.split(",")):
        name, _, count = item.partition("=")
        if name not in SERVICES or not count.isdecimal() or not 1 <= int(count) <= 16:
            abort(f"--replicas: SERVICE=1…16, separated by commas, not {item!r}", USAGE)
        counts[name] = int(count)
    return counts


def _up_arguments(data: Path, lifetimes: str | None, port: int, replicas: str, s3: str, observe: bool) -> list[str]:
    """The arguments of `up`, without `--detach`."""
    some = [*(["--lifetimes", lifetimes] if lifetimes else []), *(["--observe"] if observe else [])]
    return ["--data", str(data), "--gateway-port", str(port), "--replicas", replicas, "--s3", s3, *some]


def _ready(url: str) -> None:
    print(f"ready: {url}", flush=True)


def _greet(data: Path) -> Callable[[str], None]:
    def greet(url: str) -> None:
        _ready(url)
        at = "" if data == DEFAULT_DATA else f" --data {data}"
        info(f"  app      {url}/app/   choose a name, post, watch")
        info(f"  scenes   {url}/app/#/scenes   see events move between the services as you do")
        info(f"  API      {url}/v1/…   described by {url}/v1/openapi.json")
        info(f'  token    stories token ann{at}   then: curl -H "Authorization: Bearer $TOKEN" {url}/v1/tray')
        info(f"  state    stories status{at}   stories logs -f{at}   Ctrl-C stops everything")

    return greet
