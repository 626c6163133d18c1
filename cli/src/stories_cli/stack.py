"""Commands about the stack itself: up, down, status, env, logs, doctor, init."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from stories_shared.cloudevents import SERVICES

from . import target
from .console import FAILED, NOT_ALL_RUNNING, USAGE, abort, exit_on, info
from .log_tail import follow
from .target import DEFAULT_DATA, Data, EnvFile

JsonOut = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (up, down, status, env, logs, doctor, init):
        app.command()(command)


def up(
    data: Data = DEFAULT_DATA,
    lifetimes: Annotated[
        str | None, typer.Option(metavar="24h,…", help="How long stories live; the first is the default.")
    ] = None,
    gateway_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Of the gateway; 0: any free one.")
    ] = 8080,
    replicas: Annotated[str, typer.Option(metavar="feed=2,…", help="More than one process of a service.")] = "",
    s3: Annotated[str, typer.Option(metavar="seaweedfs|minio", help="The object store.")] = "seaweedfs",
    observe: Annotated[bool, typer.Option("--observe", help="With a Prometheus that watches them.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is ready, leave it running.")] = False,
) -> None:
    """Run the real servers, the four services and the gateway, until Ctrl-C."""
    folder = target.folder(data)
    from stories_embedded import detached, supervisor
    from stories_embedded.checkout import NotInstalled
    from stories_embedded.plan import Options
    from stories_embedded.ports import PortTaken
    from stories_embedded.server import DidNotStart
    from stories_embedded.state import AlreadyRunning

    if s3 not in {"seaweedfs", "minio"}:
        abort(f"--s3: seaweedfs or minio, not {s3!r}", USAGE)
    options = Options(gateway_port, lifetimes, _counts(replicas), s3, observe)
    with exit_on(AlreadyRunning, PortTaken, NotInstalled, DidNotStart):
        if detach:
            if there := folder.running():
                raise AlreadyRunning(f"a stack runs in {folder.path} already (pid {there.pid}, {there.url})")
            stack = detached.launch(folder, _again(data, lifetimes, gateway_port, replicas, s3, observe))
            _ready(stack.url)
            return
        code = supervisor.run(folder, options, _greet(data), info)
    raise typer.Exit(code)


def down(data: Data = DEFAULT_DATA) -> None:
    """Stop the stack; nothing running is fine."""
    folder = target.folder(data)
    from stories_embedded import detached

    with exit_on(TimeoutError):
        info("stopped" if detached.stop(folder) else "nothing runs here")


def status(data: Data = DEFAULT_DATA, as_json: JsonOut = False) -> None:
    """Every process of the stack; exit code 3 unless all are running."""
    processes = target.folder(data).processes()
    if as_json:
        print(json.dumps([asdict(each) for each in processes], indent=1))
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
    service: Annotated[
        str | None, typer.Argument(help="Of one more replica of this service, to start by hand.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """The running stack's settings as NAME=value lines."""
    stack = target.running(data)
    if stack is None:
        abort("no stack runs here")
    if service is not None and service not in stack.services:
        abort(f"no such service: {service}; there are {', '.join(stack.services)}", USAGE)
    settings = dict(stack.settings)
    if service is not None:
        from stories_embedded.ports import free_port

        settings = {**stack.services[service], "PORT": str(free_port(set()))}
    for name in sorted(settings):
        print(f"{name}={settings[name]}")


def logs(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Of these processes alone.")] = None,
    following: Annotated[bool, typer.Option("-f", "--follow", help="Go on as they are written.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of each, to begin with.")] = 100,
    data: Data = DEFAULT_DATA,
) -> None:
    """What the processes wrote."""
    folder = target.folder(data)
    known = sorted(path.stem for path in (folder.path / "logs").glob("*.log"))
    if unknown := [name for name in names or [] if name not in known]:
        abort(f"no log of {', '.join(unknown)}; there are {', '.join(known) or 'none'}", USAGE)
    follow({name: folder.log(name) for name in names or known}, lines, forever=following)


def doctor(data: Data = DEFAULT_DATA) -> None:
    """What this machine lacks, all at once, with the command for it."""
    folder = target.folder(data)
    from stories_embedded import diagnosis

    missing = diagnosis.missing(folder)
    for line in missing:
        print(line)
    if missing:
        raise typer.Exit(FAILED)
    info("nothing is missing")


def init(
    service: Annotated[str | None, typer.Argument(help="What is this service's own, alone.")] = None,
    settle: Annotated[
        bool, typer.Option("--settle", help="After a rollout: drop the indexes that only the earlier release needs.")
    ] = False,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
) -> None:
    """Topics, bucket and indexes: idempotent, what every deployment runs first."""
    if service is not None and service not in SERVICES:
        abort(f"no such service: {service}; there are {', '.join(SERVICES)}", USAGE)
    names = [service] if service else list(SERVICES)
    if absent := [name for name in names if find_spec(f"stories_{name}") is None]:
        abort(f"not installed here: {', '.join(absent)}; each image has its own: python -m stories_{absent[0]} init")
    for name in names:
        own = target.settings(data, env_file, name)
        command = [sys.executable, "-m", f"stories_{name}", "init", *(["--settle"] if settle else [])]
        run = subprocess.run(command, check=False, env={**os.environ, **own})
        if run.returncode:
            abort(f"{name} init ended with {run.returncode}", run.returncode)
        info(f"{name}: topics, bucket and indexes are there")


def _counts(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in filter(None, text.split(",")):
        name, _, count = item.partition("=")
        if name not in SERVICES or not count.isdecimal() or not 1 <= int(count) <= 16:
            abort(f"--replicas: SERVICE=1…16, separated by commas, not {item!r}", USAGE)
        counts[name] = int(count)
    return counts


def _again(data: Path, lifetimes: str | None, port: int, replicas: str, s3: str, observe: bool) -> list[str]:
    """The arguments of `up`, without `--detach`."""
    some = [*(["--lifetimes", lifetimes] if lifetimes else []), *(["--observe"] if observe else [])]
    return ["--data", str(data), "--gateway-port", str(port), "--replicas", replicas, "--s3", s3, *some]


def _ready(url: str) -> None:
    print(f"ready: {url}", flush=True)


def _greet(data: Path) -> Callable[[str], None]:
    def greet(url: str) -> None:
        _ready(url)
        at = "" if data == DEFAULT_DATA else f" --data {data}"
        info(f"  API      {url}/v1/…   described by {url}/v1/openapi.json")
        info(f'  token    stories token ann{at}   then: curl -H "Authorization: Bearer $TOKEN" {url}/v1/tray')
        info(f"  state    stories status{at}   stories logs -f{at}   Ctrl-C stops everything")

    return greet
