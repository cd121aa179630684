//! Networking in the sandbox beside native Python, against servers in this
//! process. Prints medians; takes no arguments. Native Python is `python3`, or what
//! the environment variable `PYTHON` names.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is a measurement")]

#[path = "../../../tests/peers.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod peers;

use eryx::{NetConfig, NetLimits, ResourceLimits, Sandbox};
use peers::{Authority, Server, http, trusting};
use std::process::Command;

const ROUNDS: usize = 5;

const REQUESTS: &str = "
c = http.client.HTTPSConnection('server.test', PORT, context=context)
def work():
    for i in range(1000):
        c.request('GET', '/size/100')
        assert len(c.getresponse().read()) == 100
";

const DOWNLOAD: &str = "
c = http.client.HTTPSConnection('server.test', PORT, context=context)
def work():
    c.request('GET', '/size/100000000')
    r = c.getresponse()
    n = 0
    while data := r.read(1 << 18): n += len(data)
    assert n == 100000000
";

const CONNECTIONS: &str = "
import asyncio
async def one():
    reader, writer = await asyncio.open_connection('server.test', PORT, ssl=context)
    writer.write(b'GET /size/100 HTTP/1.1\\r\\n\\r\\n')
    await reader.readuntil(b'\\r\\n\\r\\n')
    assert len(await reader.readexactly(100)) == 100
    writer.close()
async def many(): await asyncio.gather(*(one() for _ in range(100)))
def work():
    asyncio.run(many())
";

/// Natively the name has to be made to lead here.
const NATIVE: &str = "
import socket
_look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, *a, **k: _look_up('127.0.0.1' if host == 'server.test' else host, *a, **k)
";

fn script(work: &str, port: u16, roots: &str) -> String {
    let work = work.replace("PORT", &port.to_string());
    format!(
        "import http.client, ssl, time\ncontext = ssl.create_default_context()\n\
         if {roots:?}: context.load_verify_locations(cadata={roots:?})\n{work}\n\
         start = time.perf_counter(); work(); print(time.perf_counter() - start)\n"
    )
}

fn native(code: &str) -> f64 {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let ended = Command::new(python).args(["-c", &format!("{NATIVE}{code}")]).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap().trim().parse().unwrap()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[tokio::main]
async fn main() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("server.test"), http);
    let limits = NetLimits {
        open: 200,
        total: 1000,
        bytes_in: 1 << 30,
        bytes_out: 1 << 30,
        ..NetLimits::default()
    };
    let network: NetConfig = trusting(&authority).limits(limits);
    let sandbox = Sandbox::embedded()
        .network(network)
        .limits(ResourceLimits::default().without_timeout())
        .build()
        .unwrap();
    println!("median of {ROUNDS} rounds, in ms: here, native, ratio, peak memory in MiB");
    for (name, work) in
        [("1000 requests", REQUESTS), ("100 MB", DOWNLOAD), ("100 connections", CONNECTIONS)]
    {
        let (mut ours, mut theirs, mut memory) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let output = sandbox.execute(script(work, server.port, "")).await.unwrap();
            ours.push(output.stdout.trim().parse().unwrap());
            memory = memory.max(output.peak_memory_bytes >> 20);
            theirs.push(native(&script(work, server.port, &authority.pem)));
        }
        let (ours, theirs) = (median(ours) * 1e3, median(theirs) * 1e3);
        println!("{name:16} {ours:8.1} {theirs:8.1} {:5.2} {memory:4}", ours / theirs);
    }
}
