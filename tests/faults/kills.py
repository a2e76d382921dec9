"""SIGKILL at random moments under load: `python -m tests.faults.kills 1000` prints what was lost.

A quarter of the kills comes while the server starts, which is when it recovers from the last one.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.faults.harness import Client, Crashing, Verdict, judge
from tests.faults.nursery import Nursery

LANES = 2  # servers at a time: a start waits for the disk, too
BUSY = 0.25  # seconds under load before a kill, at most
STARTING = 0.75  # seconds that a start takes, about


def kills(directory: Path, count: int, seed: int) -> tuple[int, Verdict]:
    """Kill one server `count` times, then judge; returns how many kills hit it while it served."""
    dice = random.Random(seed)
    server = Crashing(directory)
    client = Client(server, seed, f"s{seed}")
    served = 0
    with Nursery(server) as nursery:
        for _ in range(count):
            served += _one(server, nursery, client, dice)
    client.stop()
    return served, judge(server, client.known)


def _one(server: Crashing, nursery: Nursery, client: Client, dice: random.Random) -> bool:
    """Start the server and kill it; whether it served by then."""
    client.first.clear()
    nursery.start()
    serves = dice.random() >= 0.25
    if serves:
        until = time.monotonic() + 60
        while not client.first.wait(0.1):
            assert server.alive(), server.log.read_text()[-3000:]
            assert time.monotonic() < until, "The server did not answer within a minute."
        time.sleep(dice.uniform(0, BUSY))
    else:
        time.sleep(dice.uniform(0, STARTING))
    server.kill()
    return serves


def run(count: int, seed: int, lanes: int = LANES) -> tuple[str, bool]:
    """Share the kills among lanes; a sentence with the figure, and whether all was kept."""
    began = time.monotonic()
    found: dict[int, tuple[int, Verdict]] = {}

    with tempfile.TemporaryDirectory(prefix="upwell-kills-") as place:

        def lane(number: int) -> None:
            own = count // lanes + (number < count % lanes)
            found[number] = kills(Path(place) / f"lane{number}", own, seed * 1000 + number)

        threads = [threading.Thread(target=lane, args=(number,)) for number in range(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - began
    verdicts = [verdict for _, verdict in found.values()]
    served = sum(hits for hits, _ in found.values())
    good = len(found) == lanes and all(verdict.good for verdict in verdicts)
    lines = "\n".join(f"  {verdict}" for verdict in verdicts)
    return (
        f"{count} kills ({served} under load, the rest while starting) in {seconds:.0f} s, "
        f"seed {seed}: {sum(v.lost for v in verdicts)} lost, "
        f"{sum(v.doubled for v in verdicts)} doubled\n{lines}",
        good,
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--lanes", type=int, default=LANES)
    asked = parser.parse_args()
    said, good = run(asked.kills, asked.seed, asked.lanes)
    print(said)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
