"""Runs inside a host, on stdin of python3: waits for what a run of remedy does there, to the millisecond.

kill GLOB DELAY LIMIT      when a file of GLOB names a live process, and DELAY ms later: kills it and its children
span FIRST LAST LIMIT      ms from when a file of glob FIRST is there until one of LAST is
settled LIMIT              until no run is armed or at work and the lock is free

Answers with one JSON document. LIMIT is in seconds.
"""

import glob
import json
import os
import signal
import sys
import time

STATE = "/var/lib/remedy"
STATES = ("prepared", "armed", "reverting", "confirmed", "reverted", "stuck")


def poll(question, limit, pause=0.001):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(pause)
    return None


def words(path):
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []


def stat_of(pid):
    """Parent and start time, or None for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else (int(fields[1]), fields[19])


def live(path):
    """The process that a file names as "boot-id pid start-time ...", if it runs."""
    named = words(path)
    boot = words("/proc/sys/kernel/random/boot_id")
    if len(named) < 3 or named[0] != boot[0]:
        return None
    found = stat_of(named[1])
    return int(named[1]) if found and found[1] == named[2] else None


def family(pid):
    parents = {}
    for name in os.listdir("/proc"):
        found = stat_of(name) if name.isdigit() else None
        if found:
            parents.setdefault(found[0], []).append(int(name))
    found, queue = [], [pid]
    while queue:
        one = queue.pop(0)
        found.append(one)
        queue += parents.get(one, [])
    return found


def kill(pattern, delay, limit):
    pid = poll(lambda: next((one for one in map(live, glob.glob(pattern)) if one), None), float(limit))
    if pid is None:
        return {"killed": 0, "why": "no such process came"}
    time.sleep(float(delay) / 1000)
    if not stat_of(pid):
        return {"killed": 0, "why": "it had ended"}
    # Stopped first, so that it starts nothing more while its children are looked for.
    os.kill(pid, signal.SIGSTOP)
    victims = family(pid)
    for one in victims:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return {"killed": len(victims), "why": ""}


def span(first, last, limit):
    if not poll(lambda: glob.glob(first), float(limit)):
        return None
    began = time.monotonic()
    return poll(lambda: glob.glob(last), float(limit)) and round((time.monotonic() - began) * 1000)


def state(folder):
    return next((name for name in STATES if os.path.exists(f"{folder}/{name}")), "none")


def survey():
    folders = [path for path in glob.glob(STATE + "/*") if os.path.isdir(path)]
    runs = {os.path.basename(path): state(path) for path in folders}
    alive = [path for one in folders for path in glob.glob(one + "/*")
             if os.path.basename(path) in ("applier", "guard", "reverter") and live(path)]
    lock = STATE + "/lock"
    held = "free" if not os.path.exists(lock) else "held" if live(lock) else "left by the dead"
    return {"runs": runs, "alive": alive, "lock": held}


def settled(limit):
    began = time.monotonic()
    last, since = None, began

    # A program that was brought just now may not have begun: calm means calm for a second.
    def calm():
        nonlocal last, since
        seen = survey()
        busy = seen["alive"] or seen["lock"] != "free" or set(seen["runs"].values()) & {"prepared", "armed", "reverting"}
        if busy or seen != last:
            last, since = seen, time.monotonic()
        return seen if not busy and time.monotonic() - since >= 1 else None

    seen = poll(calm, float(limit), 0.05)
    return {**(seen or survey()), "settled": seen is not None, "seconds": round(time.monotonic() - began, 1)}


COMMANDS = {"kill": kill, "span": span, "settled": settled}
print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
