"""Prints, as JSON, all that a dry run must leave as it was. Runs inside a host, on stdin of python3. Its arguments are the folders to look at; none: all."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys

# Other file systems, and what the kernel makes up.
SKIPPED_TREES = {"/proc", "/sys", "/dev", "/run/host", "/run/user"}

# Changed by any login, by sudo, or by a daemon that runs anyway.
NOISE = re.compile(
    r"""^(
      /var/log/(journal(/.*)?|wtmp|btmp|lastlog|auth\.log|syslog|user\.log|kern\.log|daemon\.log|messages|fail2ban\.log|firewalld)
    | /var/lib/(lastlog|wtmpdb)(/.*)?
    | /var/lib/sudo(/.*)?
    | /var/lib/systemd/(random-seed|timers(/.*)?|timesync(/.*)?)
    | /var/lib/fail2ban/fail2ban\.sqlite3(-journal|-wal|-shm)?
    | /run/(utmp|motd\.dynamic(\.new)?|log(/.*)?|sudo(/.*)?|dbus(/.*)?|udev(/.*)?|initctl|agetty\.reload|faillock(/.*)?)
    | /run/systemd/(sessions|users|seats|inhibit|journal|units|userdb|notify|private|propagate|inaccessible|ask-password)(/.*)?
    | /run/systemd/(transient|generator\S*)/(session-.*|user-.*)
    )$""",
    re.VERBOSE,
)

# Folders whose entries come and go for the same reasons: their own time says nothing.
NOISY_FOLDERS = {
    "/run", "/run/systemd", "/var/log", "/var/lib/systemd", "/var/lib/fail2ban",
    "/var/lib", "/run/fail2ban",
}

# Made by the first session: only what is in it counts.
ENTERED_ONLY = {"/run/systemd/transient"}

HASHED_TREES = ("/etc/", "/root/", "/home/", "/var/lib/", "/run/")

RUN_ID = re.compile(rb"\b\d{8}-\d{6}-[0-9a-f]{6}\b")

# A mount of credentials comes and goes with the start of its service.
NOISY_UNITS = re.compile(r"^(run-credentials-.*\.mount|session-.*\.scope|user(-\d+)?\.slice|user@\d+\.service|user-runtime-dir@\d+\.service"
                         r"|run-user-\d+\.mount|.*\.device|systemd-tmpfiles-clean\..*|sshd@.*\.service|ssh@.*\.service)$")


def describe(path):
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    words = [f"{info.st_mode:o}", f"{info.st_uid}:{info.st_gid}"]
    if kind == stat.S_IFLNK:
        words.append("-> " + os.readlink(path))
    if kind == stat.S_IFREG:
        words.append(f"{info.st_size} bytes")
    if path not in NOISY_FOLDERS and kind != stat.S_IFSOCK:
        words.append(f"at {info.st_mtime_ns}")
    if path.startswith(HASHED_TREES):
        if kind == stat.S_IFREG:
            words.append(digest(path))
        if kind in (stat.S_IFREG, stat.S_IFDIR):
            words += [f"{name}={os.getxattr(path, name).hex()}" for name in sorted(os.listxattr(path))]
    return " ".join(words)


def digest(path):
    # A file that remedy wrote names the run; two runs that wrote the same are the same.
    with open(path, "rb") as file:
        return hashlib.sha256(RUN_ID.sub(b"RUN", file.read())).hexdigest()


def files():
    found = {}
    folders = sys.argv[1:] or ["/"]
    while folders:
        folder = folders.pop()
        if not os.path.isdir(folder):
            continue
        for entry in os.scandir(folder):
            path = entry.path
            if path in SKIPPED_TREES or NOISE.match(path):
                continue
            try:
                if path not in ENTERED_ONLY:
                    found[path] = describe(path)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
            except FileNotFoundError:
                continue
    return found


def output(*argv):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"({problem})"
    return done.stdout


def rules(command):
    # Comments hold the time; brackets hold counters.
    lines = [re.sub(r" \[\d+:\d+\]$", "", line) for line in output(command).splitlines() if not line.startswith("#")]
    return "\n".join(lines)


def units(*argv):
    found = {}
    for line in output("systemctl", *argv, "--all", "--plain", "--no-legend", "--no-pager", "--full").splitlines():
        name, *state = line.split()
        # A unit that does not exist is listed while another one mentions it.
        if not NOISY_UNITS.match(name) and state[0] != "not-found":
            found[name] = " ".join(state[:3])
    return found


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


print(json.dumps({
    "files": files(),
    "units": units("list-units"),
    # Slow, and what is enabled shows in the links below /etc.
    "unitFiles": {} if sys.argv[1:] else units("list-unit-files"),
    "nft": output("nft", "--stateless", "list", "ruleset"),
    "iptables": rules("iptables-save"),
    "ip6tables": rules("ip6tables-save"),
    # Sizes and use counts change by themselves.
    "modules": sorted(line.split()[0] for line in read("/proc/modules").splitlines()),
    "legacyTables": [read("/proc/net/ip_tables_names"), read("/proc/net/ip6_tables_names")],
}))
