"""Analyse a morning of web server logs.

The log is made in memory from a fixed seed.  It mixes JSON lines written by the
application with classic access-log lines written by the proxy in front of it,
plus a few lines that were cut off.  The program parses both kinds, and reports
status codes, the slowest endpoints, bursts of errors, visitor sessions and
requests that look like attacks.
"""

import json
import random
import re
import statistics
import textwrap
from collections import Counter, defaultdict, deque
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

SEED = 404
MORNING = datetime(2025, 3, 3, 6, 0, tzinfo=timezone.utc)
MORNING_SECONDS = 6 * 3600
OUTAGES = ((9_000, 9_240), (15_600, 15_780))  # seconds during which /api/checkout fails
VISIT_COUNT = 3_000
SESSION_GAP = timedelta(minutes=30)
BURST_WINDOW = timedelta(minutes=2)
BURST_SIZE = 8
ENDPOINTS = (  # path, method, usual duration in ms, weight
    ("/", "GET", 40, 20),
    ("/products?page={n}", "GET", 120, 18),
    ("/products/{n}", "GET", 75, 25),
    ("/search?q=item+{n}", "GET", 340, 12),
    ("/api/basket/{n}/lines", "POST", 90, 10),
    ("/api/checkout", "POST", 620, 6),
    ("/static/site.css", "GET", 6, 9),
)
ATTACKS = (  # path, method, status
    ("/../../etc/passwd", "GET", 400),
    ("/download?file=..%2f..%2fetc%2fshadow", "GET", 403),
    ("/products?id=1'+UNION+SELECT+password+FROM+users--", "GET", 400),
    ("/search?q=<script>alert(1)</script>", "GET", 200),
    ("/wp-login.php", "POST", 404),
    ("/.env", "GET", 404),
)
SUSPICIOUS_PATTERNS = {
    "path traversal": re.compile(r"\.\.(/|%2f)", re.IGNORECASE),
    "SQL injection": re.compile(r"\bunion\W+select\b|'\W*or\W+1=1", re.IGNORECASE),
    "script injection": re.compile(r"<script|javascript:", re.IGNORECASE),
    "probe for secrets": re.compile(r"\.php\b|/\.(env|git)\b"),
}
ACCESS_LINE = re.compile(
    r"""(?P<client>\d+(?:\.\d+){3})\ -\ (?P<user>\S+)\ \[(?P<when>[^\]]+)\]\ "
        (?P<method>[A-Z]+)\ (?P<path>\S+)\ HTTP/[\d.]+"\ (?P<status>\d{3})\ \d+\ (?P<ms>\d+)""",
    re.VERBOSE,
)


class Request(NamedTuple):
    when: datetime
    client: str
    method: str
    path: str
    status: int
    duration: int  # ms


def outcome(rng, path, second):
    """Return the status of one ordinary request."""
    if path == "/api/checkout" and any(start <= second < end for start, end in OUTAGES):
        return 503
    if path.startswith("/products/"):
        return rng.choices((200, 304, 404), (80, 15, 5))[0]
    return rng.choices((200, 302, 500), (960, 35, 5))[0]


def visit(rng, client):
    """Yield the requests of one visit."""
    second = rng.randrange(MORNING_SECONDS)
    weights = [weight for *_, weight in ENDPOINTS]
    for _ in range(rng.randint(1, 12)):
        template, method, usual, _ = rng.choices(ENDPOINTS, weights)[0]
        path = template.format(n=rng.randint(1, 500))
        slowdown = rng.choices((1, 2, 9), (90, 8, 2))[0]
        duration = usual * slowdown * rng.randint(60, 140) // 100
        when = MORNING + timedelta(seconds=second)
        yield Request(when, client, method, path, outcome(rng, path, second), duration)
        second += rng.randint(2, 150)


def checkout_rush(rng, clients):
    """Yield checkouts made by many clients around the outages."""
    for start, end in OUTAGES:
        for second in range(start - 60, end + 60, 10):
            when = MORNING + timedelta(seconds=second)
            status = outcome(rng, "/api/checkout", second)
            yield Request(when, rng.choice(clients), "POST", "/api/checkout", status, 30)


def attack_run(rng, client):
    """Yield the requests of a client that tries every known trick."""
    second = rng.randrange(MORNING_SECONDS)
    for path, method, status in ATTACKS:
        yield Request(MORNING + timedelta(seconds=second), client, method, path, status, 5)
        second += rng.randint(1, 4)


def password_guessing(rng, client):
    """Yield failed logins, close together, and a last one that succeeds."""
    second = rng.randrange(MORNING_SECONDS)
    for status in [401] * 25 + [200]:
        yield Request(MORNING + timedelta(seconds=second), client, "POST", "/login", status, 210)
        second += rng.randint(1, 3)


def as_json_line(request):
    record = request._asdict() | {"when": request.when.isoformat(), "level": "info"}
    return json.dumps(record)


def as_access_line(request):
    return (f'{request.client} - - [{request.when:%d/%b/%Y:%H:%M:%S %z}] '
            f'"{request.method} {request.path} HTTP/1.1" {request.status} 512 {request.duration}')


def make_log():
    """Return the lines of the log in the order in which they were written."""
    rng = random.Random(SEED)
    clients = [f"10.0.{net}.{host}" for net in range(4) for host in range(1, 250)]
    requests = [
        request for _ in range(VISIT_COUNT) for request in visit(rng, rng.choice(clients))
    ]
    requests += checkout_rush(rng, clients)
    for scanner in ("198.51.100.7", "198.51.100.23", "203.0.113.99"):
        requests += attack_run(rng, scanner)
    requests += password_guessing(rng, "203.0.113.50")
    lines = []
    for request in sorted(requests):
        line = rng.choice((as_json_line, as_access_line))(request)
        lines.append(line if rng.random() < 0.997 else line[:rng.randint(5, 60)])
    return lines


def parse_json_line(line):
    record = json.loads(line)
    when = datetime.fromisoformat(record["when"])
    return Request(when, *(record[name] for name in Request._fields[1:]))


def parse_access_line(line):
    match = ACCESS_LINE.fullmatch(line)
    if match is None:
        raise ValueError("not an access-log line")
    when = datetime.strptime(match["when"], "%d/%b/%Y:%H:%M:%S %z")
    return Request(when, match["client"], match["method"], match["path"],
                   int(match["status"]), int(match["ms"]))


def parse_log(lines):
    """Return the requests, how many lines each format had, and the unreadable lines."""
    requests, formats, unreadable = [], Counter(), []
    for line in lines:
        name, parse = ("JSON", parse_json_line) if line[0] == "{" else ("access", parse_access_line)
        try:
            requests.append(parse(line))
        except ValueError:
            unreadable.append(line)
        else:
            formats[name] += 1
    return requests, formats, unreadable


def endpoint(request):
    """Return the method and path with numbers and the query taken out."""
    path = request.path.partition("?")[0]
    return f"{request.method} {re.sub(r'/[0-9]+', '/:id', path)}"


def find_bursts(requests):
    """Return (start, end, errors) for every period crowded with server errors."""
    recent, bursts = deque(), []
    for when in (request.when for request in requests if request.status >= 500):
        recent.append(when)
        while when - recent[0] > BURST_WINDOW:
            recent.popleft()
        if len(recent) < BURST_SIZE:
            continue
        if bursts and bursts[-1][-1] >= recent[0]:
            bursts[-1].append(when)
        else:
            bursts.append(list(recent))
    return [(times[0], times[-1], len(times)) for times in bursts]


def find_sessions(requests):
    """Return lists of requests by one client without a long pause."""
    sessions, latest = [], {}
    for request in requests:
        session = latest.get(request.client)
        if session is None or request.when - session[-1].when > SESSION_GAP:
            session = latest[request.client] = []
            sessions.append(session)
        session.append(request)
    return sessions


def find_suspicious(requests):
    """Return a mapping from client to a count of each kind of suspicious request."""
    findings = defaultdict(Counter)
    for request in requests:
        for kind, pattern in SUSPICIOUS_PATTERNS.items():
            if pattern.search(request.path):
                findings[request.client][kind] += 1
        if request.status == 401:
            findings[request.client]["failed login"] += 1
    return findings


def heading(title):
    print(f"\n{title}\n{'=' * len(title)}")


def print_formats(formats, unreadable):
    for name, count in sorted(formats.items()):
        print(f"{count:>6} {name} lines")
    print(f"{len(unreadable):>6} unreadable lines, such as:")
    for line in unreadable[:3]:
        print(textwrap.indent(textwrap.shorten(line, 60, placeholder=" ..."), " " * 9))


def print_statuses(requests):
    heading("Status codes")
    for status, count in sorted(Counter(request.status for request in requests).items()):
        print(f"{status} {count:>6} {count / len(requests):>7.2%}")


def print_slowest(requests):
    heading("Durations in ms, slowest first")
    durations = defaultdict(list)
    for request in requests:
        durations[endpoint(request)].append(request.duration)
    print(f"{'endpoint':<28}{'count':>7}{'p50':>7}{'p95':>7}{'p99':>7}{'max':>7}")
    rows = []
    for name, values in durations.items():
        if len(values) >= 20:
            cuts = statistics.quantiles(values, n=100, method="inclusive")
            rows.append((cuts[94], name, len(values), cuts[49], cuts[98], max(values)))
    for p95, name, count, p50, p99, longest in sorted(rows, reverse=True):
        print(f"{name:<28}{count:>7}{p50:>7.0f}{p95:>7.0f}{p99:>7.0f}{longest:>7}")


def print_bursts(requests):
    heading("Bursts of server errors")
    for start, end, count in find_bursts(requests):
        print(f"{start:%H:%M:%S} to {end:%H:%M:%S}: {count} errors")


def print_sessions(requests):
    heading("Sessions")
    sessions = find_sessions(requests)
    lengths = [(session[-1].when - session[0].when).seconds for session in sessions]
    print(f"{len(sessions)} sessions by {len({request.client for request in requests})} clients")
    print(f"requests per session: mean {statistics.mean(map(len, sessions)):.2f}, "
          f"largest {max(map(len, sessions))}")
    print(f"length: median {timedelta(seconds=int(statistics.median(lengths)))}, "
          f"longest {timedelta(seconds=max(lengths))}")
    print(f"left after one request: {sum(len(session) == 1 for session in sessions)}")
    first_pages = Counter(endpoint(session[0]) for session in sessions)
    for name, count in sorted(first_pages.items(), key=lambda item: (-item[1], item[0]))[:4]:
        print(f"  started at {name:<26}{count:>5}")


def print_suspicious(requests):
    heading("Suspicious clients")
    findings = find_suspicious(requests)
    for client, kinds in sorted(findings.items()):
        details = ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
        print(textwrap.fill(f"{client}: {details}", 72, subsequent_indent="    "))


def main():
    requests, formats, unreadable = parse_log(make_log())
    print(f"Log of {requests[0].when:%A %d %B %Y}, {len(requests):,} requests")
    print_formats(formats, unreadable)
    print_statuses(requests)
    print_slowest(requests)
    print_bursts(requests)
    print_sessions(requests)
    print_suspicious(requests)


if __name__ == "__main__":
    main()
