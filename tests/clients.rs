//! Clients from wheels, as they are, against real servers.
//!
//! Wheels are installed by pip, once, pinned by hash.

use crate::peers::{Authority, Server, http, sandbox_with, trusting};
use crate::servers::{self, Peer, missing, program};
use crate::support::repository;
use eryx::{Error, NetConfig, ResourceLimits, Sandbox, VolumeMount};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The folder with the wheels' contents, or none where there is no pip.
fn wheels() -> Option<PathBuf> {
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !pip.is_ok_and(|ended| ended.status.success()) {
        missing("there is no python3 with pip to install the wheels");
        return None;
    }
    let list = repository().join("tests/clients/requirements.txt");
    let wanted = fs::read_to_string(&list).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let made = folder.join("requirements.txt");
    fs::create_dir_all(&folder).unwrap();
    // Tests are processes of their own: one installs, the others wait for it.
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&made).ok().as_deref() == Some(wanted.as_str()) {
        return Some(folder.join("site"));
    }
    let _ = fs::remove_dir_all(folder.join("site"));
    let installed = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--require-hashes", "--only-binary", ":all:", "--no-compile"])
        .args(["--python-version", "3.13", "--platform", "any", "--implementation", "py"])
        .args(["--abi", "none", "--target"])
        .arg(folder.join("site"))
        .arg("-r")
        .arg(&list)
        .status()
        .unwrap();
    if !installed.success() {
        missing("pip could not install the wheels");
        return None;
    }
    fs::write(made, wanted).unwrap();
    Some(folder.join("site"))
}

/// Runs a program that can import what is in the wheels.
async fn run(wheels: &Path, network: NetConfig, code: &str, port: u16) -> String {
    let code = format!(
        "import sys\nsys.path.insert(0, '/site')\n{}",
        code.replace("PORT", &port.to_string())
    );
    let limits = ResourceLimits::default().with_timeout(Duration::from_mins(5));
    let sandbox = Sandbox::embedded()
        .network(network)
        .limits(limits)
        .volume(VolumeMount::read_only(wheels, "/site"))
        .build()
        .unwrap();
    match sandbox.execute(code).await {
        Ok(output) => output.stdout.into_string(),
        Err(Error::Execution(raised)) => panic!("{}\n{}", raised.output.stdout, raised.traceback),
        Err(other) => panic!("{other:?}"),
    }
}

/// An authority, and a server's certificate and key in `folder`.
fn certificate(folder: &Path) -> Authority {
    let authority = Authority::new();
    let (chain, key) = authority.server_pem("server.test");
    fs::write(folder.join("chain.pem"), chain).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
    authority
}

const HTTP_CLIENTS: &str = r"
import requests
s = requests.Session()
for i in range(3):
    r = s.post(f'https://server.test:PORT/r{i}', json={'a': i})
    print(r.status_code, r.text.split()[1])
print(requests.get('https://server.test:PORT/to//after').url.rsplit('/', 1)[1])
import urllib3
print(urllib3.PoolManager().request('GET', 'https://server.test:PORT/u').data[:6])
import httpx
with httpx.Client() as c:
    print(c.get('https://server.test:PORT/h').text.split()[1])
async def main():
    async with httpx.AsyncClient() as c:
        answers = await asyncio.gather(*(c.get(f'https://server.test:PORT/a{i}') for i in range(4)))
        print([a.text.split()[1] for a in answers])
import asyncio
asyncio.run(main())
try: requests.get('https://example.com/')
except requests.ConnectionError as e: print('refused', 'does not allow example.com' in str(e))
";

#[tokio::test]
async fn requests_urllib3_and_httpx() {
    let Some(wheels) = wheels() else { return };
    let authority = Authority::new();
    let server = Server::tls(authority.server("server.test"), http);
    let out = run(&wheels, trusting(&authority), HTTP_CLIENTS, server.port).await;
    assert_eq!(
        out,
        "200 /r0\n200 /r1\n200 /r2\nafter\nb'GET /u'\n/h\n['/a0', '/a1', '/a2', '/a3']\nrefused True\n"
    );
}

/// A port that nobody has yet.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// What each client does at a server that speaks one version of TLS.
const NGINX_CLIENTS: &str = r"
import aiohttp, asyncio, httpx, requests, urllib.request, urllib3
async def with_httpx(url):
    async with httpx.AsyncClient() as c:
        answers = await asyncio.gather(*(c.get(url + '/v') for i in range(4)))
        return {a.text for a in answers}
async def with_aiohttp(url):
    async with aiohttp.ClientSession() as c:
        async def ask():
            async with c.get(url + '/v') as r: return await r.text()
        async with c.post(url + '/v', data=b'x' * 300_000) as r: posted = await r.text()
        return {posted, *await asyncio.gather(*(ask() for i in range(4)))}
for port in (OLD, NEW):
    url = f'https://server.test:{port}'
    with requests.Session() as s:
        posted = s.post(url + '/v', data=b'x' * 300_000)
        print('requests', s.get(url + '/v').text, posted.text, s.get(url + '/old').url[-2:], len(s.get(url + '/big').content))
    pool = urllib3.PoolManager()
    print('urllib3', pool.request('GET', url + '/v').data, pool.request('PUT', url + '/v', body=b'y').data)
    with httpx.Client(follow_redirects=True) as c:
        print('httpx', c.get(url + '/old').text, c.post(url + '/v', content=b'z').text)
    print('httpx', asyncio.run(with_httpx(url)))
    print('aiohttp', asyncio.run(with_aiohttp(url)))
    print('urllib', urllib.request.urlopen(url + '/v').read())
    try: requests.get(f'https://other.test:{port}/v')
    except requests.exceptions.SSLError as e: print('not for' in str(e) or 'mismatch' in str(e))
";

#[tokio::test]
async fn nginx_with_both_versions_of_tls() {
    let (Some(wheels), Some(nginx)) = (wheels(), program("nginx")) else { return };
    let mut authority = None;
    let new = free_port();
    let peer = Peer::start(|old, folder| {
        authority = Some(certificate(folder));
        fs::write(folder.join("big"), vec![b'x'; 2 << 20]).unwrap();
        let server = |port, version: &str| {
            format!(
                "server {{ listen 127.0.0.1:{port} ssl; server_name server.test; root {0};\n\
                 ssl_certificate {0}/chain.pem; ssl_certificate_key {0}/key.pem;\n\
                 ssl_protocols {version}; location /v {{ return 200 $ssl_protocol; }}\n\
                 location /old {{ return 302 /v; }} }}\n",
                folder.display()
            )
        };
        let config = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;\n\
             events {{}}\nhttp {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p;\n\
             fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;\n{1}{2}}}\n",
            folder.display(),
            server(old, "TLSv1.2"),
            server(new, "TLSv1.3"),
        );
        fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut command = servers::command(&nginx);
        command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder);
        command.arg("-e").arg(folder.join("error.log"));
        command
    });
    let code = NGINX_CLIENTS.replace("OLD", "PORT").replace("NEW", &new.to_string());
    let out = run(&wheels, trusting(&authority.unwrap()), &code, peer.port).await;
    let version = |version: &str| {
        format!(
            "requests {version} {version} /v 2097152\nurllib3 b'{version}' b'{version}'\n\
             httpx {version} {version}\nhttpx {{'{version}'}}\naiohttp {{'{version}'}}\n\
             urllib b'{version}'\nTrue\n"
        )
    };
    assert_eq!(out, version("TLSv1.2") + &version("TLSv1.3"));
}

const WEBSOCKET_SERVER: &str = "
import asyncio, ssl, sys, websockets
async def main(port, folder, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + '/chain.pem', folder + '/key.pem')
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    async def echo(ws):
        async for message in ws:
            await ws.send(message[::-1])
    async with websockets.serve(echo, '127.0.0.1', port, ssl=context):
        await asyncio.Future()
asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
";

#[tokio::test]
async fn websockets() {
    let Some(wheels) = wheels() else { return };
    for version in ["TLSv1_2", "TLSv1_3"] {
        let mut authority = None;
        let peer = Peer::start(|port, folder| {
            authority = Some(certificate(folder));
            let mut command = Command::new("python3");
            command.env("PYTHONPATH", &wheels).args(["-c", WEBSOCKET_SERVER]);
            command.arg(port.to_string()).arg(folder).arg(version);
            command.stderr(Stdio::null());
            command
        });
        let code = r"
import asyncio, websockets
async def main():
    async with websockets.connect('wss://server.test:PORT/') as ws:
        for message in ('hello', b'\x00\x01', 'x' * 100000):
            await ws.send(message)
            reply = await ws.recv()
            print(reply == message[::-1], len(reply))
        print(ws.transport.get_extra_info('ssl_object').version())
asyncio.run(main())
";
        let out = run(&wheels, trusting(&authority.unwrap()), code, peer.port).await;
        let version = version.replace('_', ".");
        assert_eq!(out, format!("True 5\nTrue 2\nTrue 100000\n{version}\n"));
    }
}

#[tokio::test]
async fn redis_with_and_without_tls() {
    let (Some(wheels), Some(redis)) = (wheels(), program("redis-server")) else { return };
    let mut authority = None;
    let mut secure = 0;
    let peer = Peer::start(|port, folder| {
        authority = Some(certificate(folder));
        secure = free_port();
        let mut command = servers::command(&redis);
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        command.args(["--tls-port", &secure.to_string(), "--tls-auth-clients", "no"]);
        command.args(["--requirepass", "pass wörd"]);
        command.arg("--tls-cert-file").arg(folder.join("chain.pem"));
        command.arg("--tls-key-file").arg(folder.join("key.pem"));
        command.arg("--tls-ca-cert-file").arg(folder.join("chain.pem"));
        command
    });
    let code = r"
import asyncio, redis, redis.asyncio
password = 'pass wörd'
for wrong in (None, 'wrong'):
    try: redis.Redis('server.test', SECURE, ssl=True, password=wrong).ping()
    except redis.AuthenticationError as e: print(type(e).__name__)
for r in (
    redis.Redis('server.test', PORT, password=password),
    redis.Redis('server.test', SECURE, ssl=True, password=password),
    redis.from_url('rediss://default:pass%20w%C3%B6rd@server.test:SECURE/0'),
):
    r.delete('list')
    with r.pipeline() as p:
        for i in range(100): p.rpush('list', i)
        p.execute()
    print(r.llen('list'), r.lrange('list', 0, 2), r.blpop('list', timeout=1))
async def main():
    r = redis.asyncio.Redis(host='server.test', port=SECURE, ssl=True, password=password)
    async def listen():
        async with r.pubsub() as p:
            await p.subscribe('news')
            async for m in p.listen():
                if m['type'] == 'message': return m['data']
    async def tell():
        while not await r.publish('news', 'hello'): await asyncio.sleep(0.01)
    print((await asyncio.gather(listen(), tell()))[0])
    await r.aclose()
asyncio.run(main())
";
    let code = code.replace("SECURE", &secure.to_string());
    let out = run(&wheels, trusting(&authority.unwrap()), &code, peer.port).await;
    let line = "100 [b'0', b'1', b'2'] (b'list', b'0')\n";
    let refused = "AuthenticationError\nAuthenticationError\n";
    assert_eq!(out, format!("{refused}{line}{line}{line}b'hello'\n"));
}

#[cfg(unix)]
#[tokio::test]
async fn postgresql() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    let (Some(wheels), Some(initdb), Some(postgres)) =
        (wheels(), program("initdb"), program("postgres"))
    else {
        return;
    };
    // It refuses to run as root: then as nobody.
    let as_nobody = |command: &mut Command, root: bool| {
        if root {
            command.uid(65534).gid(65534);
        }
    };
    let mut authority = None;
    let peer = Peer::start(|port, folder| {
        let root = fs::metadata("/proc/self")
            .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        authority = Some(certificate(folder));
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.join("data");
        fs::create_dir(&data).unwrap();
        let key = folder.join("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        if root {
            chown(&data, Some(65534), Some(65534)).unwrap();
            chown(&key, Some(65534), Some(65534)).unwrap();
        }
        let mut init = servers::command(&initdb);
        let password = folder.join("password");
        fs::write(&password, "pass wörd\n").unwrap();
        init.args(["-A", "scram-sha-256", "-U", "tester", "-N", "--pwfile"]).arg(&password);
        init.arg("-D").arg(&data).stdout(Stdio::null());
        as_nobody(&mut init, root);
        assert!(init.current_dir("/").status().unwrap().success(), "initdb failed");
        let mut command = servers::command(&postgres);
        command.current_dir("/").arg("-D").arg(&data).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        command.args(["-c", "unix_socket_directories=", "-c", "ssl=on", "-c"]);
        command.arg(format!("ssl_cert_file={}", folder.join("chain.pem").display())).arg("-c");
        command.arg(format!("ssl_key_file={}", key.display()));
        command.stderr(Stdio::null());
        as_nobody(&mut command, root);
        command
    });
    let code = r"
import pg8000.dbapi, ssl, time
def connect(password='pass wörd', **options):
    while True:
        try: return pg8000.dbapi.connect('tester', host='server.test', port=PORT, database='postgres', password=password, **options)
        except pg8000.dbapi.DatabaseError as e:
            if e.args[0].get('C') != '57P03': raise
            time.sleep(0.05)
for options in ({'ssl_context': False}, {'ssl_context': ssl.create_default_context()}):
    try: connect(password='wrong', **options)
    except pg8000.dbapi.DatabaseError as e: print(e.args[0]['C'])
    db = connect(**options)
    cursor = db.cursor()
    cursor.execute('create temp table t (n int, s text)')
    cursor.executemany('insert into t values (%s, %s)', [(i, 'é' * i) for i in range(10)])
    cursor.execute('select sum(n), max(s), (select ssl from pg_stat_ssl where pid = pg_backend_pid()) from t')
    print(cursor.fetchall())
    try: cursor.execute('select 1/0')
    except pg8000.dbapi.DatabaseError as e: print(e.args[0]['C'])
    db.close()
";
    let out = run(&wheels, trusting(&authority.unwrap()), code, peer.port).await;
    let seen = |tls| format!("28P01\n([45, 'ééééééééé', {tls}],)\n22012\n");
    assert_eq!(out, seen("False") + &seen("True"));
}

const AIOHTTP: &str = r"
import aiohttp, asyncio, os
async def main():
    url = 'https://server.test:PORT'
    async with aiohttp.ClientSession() as s:
        for i in range(2):
            async with s.post(f'{url}/r{i}', json={'a': i}, headers={'X-Key': os.environ['KEY']}) as r:
                text = await r.text()
                print(r.status, text.split()[1], 'X-Key: ' + os.environ['KEY'] in text, text[-8:])
        async def body():
            yield b'first '
            yield os.environ['KEY'].encode()
        async with s.put(f'{url}/chunked', data=body()) as r:
            print((await r.text()).endswith('first ' + os.environ['KEY']))
        async def get(path):
            async with s.get(url + path) as r: return len(await r.read())
        print(await asyncio.gather(*(get(f'/size/{n}') for n in (1, 1000, 3_000_000))))
        async with s.get(url + '/to//after') as r: print(r.url.path)
        try: await s.get('https://example.com/')
        except aiohttp.ClientConnectorError as e: print('does not allow example.com' in str(e))
        try: await asyncio.wait_for(s.get(url + '/silent'), 0.1)
        except TimeoutError: print('timeout')
asyncio.run(main())
";

#[tokio::test]
async fn aiohttp() {
    let Some(wheels) = wheels() else { return };
    let authority = Authority::new();
    let sent = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&sent);
    let server = Server::tls(authority.server("server.test"), move |stream| {
        http(&mut Overheard(stream, &seen));
    });
    let secret = eryx::Secret::new("KEY", "s3cr3t-value", ["server.test".parse().unwrap()]);
    let network = trusting(&authority).secret(secret.unwrap().in_body());
    let out = run(&wheels, network, AIOHTTP, server.port).await;
    assert_eq!(
        out,
        "200 /r0 True {\"a\": 0}\n200 /r1 True {\"a\": 1}\nTrue\n\
         [1, 1000, 3000000]\n/after\nTrue\ntimeout\n"
    );
    let sent = sent.lock().unwrap();
    assert_eq!(sent.matches("X-Key: s3cr3t-value\r\n").count(), 2, "{sent}");
    assert!(sent.contains("\r\ns3cr3t-value\r\n"), "{sent}");
}

/// Notes what is read.
struct Overheard<'a>(&'a mut dyn crate::peers::Stream, &'a Mutex<String>);

impl Read for Overheard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.0.read(buffer)?;
        self.1.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        Ok(length)
    }
}

impl Write for Overheard<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Answers one question about a name with an address, as a name server does over
/// TCP.
fn name_server(mut stream: TcpStream) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query).unwrap();
        // The question ends after the name's last, empty label, a type and a class.
        let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
        let head = [query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        let reply = [&head[..], &query[12..end], &answer].concat();
        let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length[..], &reply].concat()).unwrap();
    }
}

#[tokio::test]
async fn dnspython_over_tcp_but_not_udp() {
    let Some(wheels) = wheels() else { return };
    let server = Server::tcp(name_server);
    let code = r"
import asyncio, dns.asyncquery, dns.message, dns.query
query = dns.message.make_query('example.com', 'A')
print(dns.query.tcp(query, '127.0.0.1', port=PORT, timeout=9).answer[0])
async def main(): return await dns.asyncquery.tcp(query, '127.0.0.1', port=PORT, timeout=9)
print(asyncio.run(main()).answer[0])
try: dns.query.udp(query, '1.1.1.1', timeout=1)
except PermissionError as e: print(e.strerror)
try: dns.query.tcp(query, '192.0.2.1', timeout=1)
except PermissionError as e: print(e.strerror)
";
    let out = run(&wheels, crate::peers::network(), code, server.port).await;
    let found = "example.com. 60 IN A 192.0.2.7\n";
    assert_eq!(
        out,
        format!(
            "{found}{found}the sandbox has no datagrams and raw sockets: only TCP connections\n\
             Operation not permitted\n"
        )
    );
}

/// Takes mail as RFC 5321 says, after `STARTTLS` in TLS; tells of each message.
fn mail_server(mut tcp: TcpStream, tls: &Arc<rustls::ServerConfig>, told: &Mutex<Vec<String>>) {
    tcp.write_all(b"220 here\r\n").unwrap();
    if mail_session(&mut BufReader::new(&mut tcp), told) {
        let session = rustls::ServerConnection::new(Arc::clone(tls)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, tcp);
        mail_session(&mut BufReader::new(&mut stream), told);
    }
}

/// Whether it ended because the client wants TLS.
fn mail_session<S: Read + Write>(stream: &mut BufReader<S>, told: &Mutex<Vec<String>>) -> bool {
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN",
            "STARTTLS" => "220 go ahead",
            "AUTH" => "235 welcome",
            "DATA" => "354 send it",
            "QUIT" => "221 bye",
            "RCPT" if line.contains("nobody") => "550 no such user",
            _ => "250 ok",
        };
        stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).unwrap();
        stream.get_mut().flush().unwrap();
        if verb == "STARTTLS" || verb == "QUIT" {
            return verb == "STARTTLS";
        }
        if verb == "DATA" {
            let mut message = String::new();
            while !message.ends_with("\r\n.\r\n") && stream.read_line(&mut message).unwrap() > 0 {}
            told.lock().unwrap().push(message);
            stream.get_mut().write_all(b"250 queued\r\n").unwrap();
            stream.get_mut().flush().unwrap();
        }
        line.clear();
    }
    false
}

#[tokio::test]
async fn smtplib_sends_mail() {
    let authority = Authority::new();
    let config = Arc::new(authority.server("mail.test"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let messages = Arc::clone(&told);
    let server = Server::tcp(move |stream| mail_server(stream, &config, &messages));
    let code = r"
import smtplib, ssl
from email.message import EmailMessage
m = EmailMessage()
m['From'], m['To'], m['Subject'] = 'a@mail.test', 'b@mail.test', 'Hello'
m.set_content('First line\n.with a dot\n')
with smtplib.SMTP('mail.test', PORT, timeout=20) as s:
    s.starttls(context=ssl.create_default_context())
    print(s.login('me', 'password'), s.sock.version())
    print(s.send_message(m))
    try: s.sendmail('a@mail.test', ['nobody@mail.test'], 'x')
    except smtplib.SMTPRecipientsRefused as e: print(e.recipients)
";
    let out = crate::network::run(&sandbox_with(trusting(&authority)), code, &server).await;
    assert_eq!(
        out,
        "(235, b'welcome') TLSv1.3\n{}\n{'nobody@mail.test': (550, b'no such user')}\n"
    );
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("Subject: Hello\r\n"), "{told:?}");
    assert!(told[0].ends_with("First line\r\n..with a dot\r\n.\r\n"), "{told:?}");
}
