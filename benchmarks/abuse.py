"""Benchmark of the owner's control under abuse: a flood, silent connections and guessed passwords.

    python -m benchmarks.abuse
    python -m benchmarks.abuse --short    fewer orders, and a tenth of the connections
    python -m benchmarks.abuse --apart    each attack alone before all at once; by then the
                                          guesses have used their limits up

It runs in a network namespace of its own, in which one machine has many addresses: those of
this machine (127.0.0.0/8) have no share of the connections, so they would not be attackers. It
takes Linux with `unshare` and `ip`. Limits are the defaults, but for those of orders and cancels.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from benchmarks._abuse import Attack, Caller, Owner, attacked
from benchmarks._http_load import RESTING, UNLIMITED, Figures
from benchmarks._probes import cpu_s, quantiles
from benchmarks.harness import Table, main
from benchmarks.live import LiveServer, live_server
from tests.security.expressions import worst_text

INSIDE = "BENCH_NAMESPACE"
HOST = "198.18.0.1"
TRADER, PROBE, OWNER = "198.18.1.1", "198.18.2.1", "198.18.3.1"
FLOODER, SILENT = "198.18.4.1", "198.18.5.1"
GUESSERS = [f"198.18.{site}.1" for site in range(10, 30)]
SHORT = "--short" in sys.argv
PAIRS = 40 if SHORT else 80
ATTACKS = {
    "silent": ([SILENT], 1000 if SHORT else 10_000),
    "flood": ([FLOODER], 1000),
    "guess": (GUESSERS, 5),
}
TEXT_SIZE = 3000
WARM_UP_S, LONGEST_S = 2.0, 60.0
HEALTH_EVERY_S = 0.1
SETTINGS = {"rate_limit_trade": UNLIMITED["rate_limit_trade"], "rate_limit_amend": "99999/minute"}
IDLE = "nothing"
ABUSED = "all at once"


def measure() -> Iterator[Table]:
    """Yield orders and health beside idle, the owner's commands, and what the attackers got."""
    with live_server(host="0.0.0.0", **SETTINGS) as server:
        owner, trader = Owner(server.password), _caller(server, TRADER)
        owner.set_up(trader)
        trader.ask("POST", "/api/v1/orders", RESTING)
        table = Table("Orders and health under abuse", baseline=IDLE, ratio_of="order_p50_ms")
        table.add(IDLE, **_orders_and_health(server, trader))
        for name in ATTACKS if "--apart" in sys.argv else ():
            with attacked([_attack(server, name)]):
                time.sleep(WARM_UP_S)
                table.add(f"{name} alone", **_orders_and_health(server, trader))
        with attacked(_attack(server, name) for name in ATTACKS) as attacks:
            time.sleep(WARM_UP_S)
            table.add(ABUSED, **_orders_and_health(server, trader))
            commands = _commands(server, owner)
        yield table
        yield commands
        yield _attackers(attacks)


def _caller(server: LiveServer, source: str) -> Caller:
    return Caller(HOST, server.port, source, source)


def _attack(server: LiveServer, name: str) -> Attack:
    sources, count = ATTACKS[name]
    common = {"host": HOST, "port": server.port, "seconds": LONGEST_S}
    text = worst_text(TEXT_SIZE) if name == "flood" else ""
    return Attack(name, **common, sources=sources, clients=sources, count=count, text=text)


def _orders_and_health(server: LiveServer, trader: Caller) -> Figures:
    """Place and cancel orders one by one, with health checks beside them; only placing counts."""
    over = Event()
    placed_ms = []
    began, spent_s = time.perf_counter(), cpu_s(server.pid)
    with ThreadPoolExecutor(1) as threads:
        health = threads.submit(_health_ms, server, over)
        for _ in range(PAIRS):
            order, taken_ms = trader.ask("POST", "/api/v1/orders", RESTING)
            placed_ms.append(taken_ms)
            trader.ask("DELETE", f"/api/v1/orders/{order['id']}")
            time.sleep(0.02)
        over.set()
    healthy_ms = health.result()
    spent_s = cpu_s(server.pid) - spent_s
    return {
        **quantiles(placed_ms, "order_"),
        **quantiles(healthy_ms, "healthz_"),
        "healthz_max_ms": max(healthy_ms),
        "server_cpu_percent": 100 * spent_s / (time.perf_counter() - began),
    }


def _health_ms(server: LiveServer, over: Event) -> list[float]:
    """Ask for health at intervals, each time on a connection of its own."""
    taken_ms = []
    while not over.wait(HEALTH_EVERY_S):
        caller = _caller(server, PROBE)
        started = time.perf_counter()
        caller.ask("GET", "/healthz")
        taken_ms.append((time.perf_counter() - started) * 1000)
        caller.close()
    return taken_ms


def _commands(server: LiveServer, owner: Owner) -> Table:
    """Time the commands of an owner who comes from an address that nobody has used before."""
    caller = _caller(server, OWNER)
    taken = {"log in": owner.log_in(caller), "step up": owner.step_up(caller)}
    taken["cancel all"] = caller.ask("DELETE", "/api/v1/orders")[1]
    taken["stop the bot"] = caller.ask("POST", "/api/v1/bot/stop")[1]
    table = Table("The owner's commands under abuse")
    for name, taken_ms in (*taken.items(), ("together", sum(taken.values()))):
        table.add(name, taken_ms=taken_ms)
    return table


def _attackers(attacks: list[Attack]) -> Table:
    table = Table("What the attackers got")
    for attack in attacks:
        table.add(attack.name, **attack.figures)
    return table


def _run_in_namespace() -> int:
    """Run this script again in a namespace in which 198.18.0.0/15 is this machine."""
    prepare = 'ip link set lo up && ip route add local 198.18.0.0/15 dev lo && exec "$0" "$@"'
    command = [sys.executable, "-m", "benchmarks.abuse", *sys.argv[1:]]
    inside = ["unshare", "--net", "--map-root-user", "sh", "-c", prepare, *command]
    return subprocess.run(inside, env=os.environ | {INSIDE: "1"}, check=False).returncode


if __name__ == "__main__":
    if INSIDE in os.environ:
        main("abuse", measure)
    elif shutil.which("unshare") and shutil.which("ip"):
        sys.exit(_run_in_namespace())
    else:
        main("abuse", lambda: [])
