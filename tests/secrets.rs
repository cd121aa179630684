//! Secrets in all that a guest sends, as servers get it.

use crate::peers::{Authority, Server, read_request, sandbox_with, trusting};
use eryx::{Sandbox, Secret};
use std::io::{BufReader, Write};
use std::sync::{Arc, Mutex};

/// A server for `api.test` that keeps what it was sent.
fn server(authority: &Authority) -> (Server, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&seen);
    let mut config = authority.server("api.test");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Server::tls(config, move |stream| {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream) {
            sent.lock().unwrap().push(request);
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.get_mut().flush().unwrap();
        }
    });
    (server, seen)
}

/// Runs a program with the secret `KEY`; what was printed, and the requests.
async fn sent(value: &str, code: &str) -> (String, Vec<String>) {
    let authority = Authority::new();
    let (server, seen) = server(&authority);
    let secret = Secret::new("KEY", value, ["api.test".parse().unwrap()]).unwrap().in_body();
    let sandbox: Sandbox = sandbox_with(trusting(&authority).secret(secret));
    let code = format!("import os\nkey = os.environ['KEY']\n{code}");
    let output = sandbox.execute(code.replace("PORT", &server.port.to_string())).await.unwrap();
    let requests = std::mem::take(&mut *seen.lock().unwrap());
    for request in &requests {
        assert!(!request.contains("eryx_secret_"), "a placeholder was sent");
    }
    let out = output.stdout.into_string();
    assert!(!out.contains(value), "the value was printed");
    (out, requests)
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn every_body_of_a_connection_however_it_is_framed() {
    let (out, requests) = sent(
        "s3cr3t-value",
        r"
import http.client, json, urllib.parse
c = http.client.HTTPSConnection('api.test', PORT, timeout=30)
def ask(body, **headers):
    c.request('POST', '/', body=body, headers={k.replace('_', '-'): v for k, v in headers.items()})
    print(c.getresponse().read().decode(), end=' ')
ask('k=' + key)
ask(iter([b'<' + key[:7].encode(), key[7:30].encode(), (key[30:] + '>e').encode()]))
ask('x' * 3_000_000 + key + 'y' * 10)
ask(b'after')
ask(json.dumps({'key': key}), Content_Type='application/json', Authorization='Bearer ' + key)
ask(b'')
connected = c.sock
ask('last ' + key)
print(connected is c.sock)
",
    )
    .await;
    assert_eq!(out, "ok ok ok ok ok ok ok True\n");
    let bodies: Vec<_> = requests.iter().map(|request| body(request)).collect();
    let long = "x".repeat(3_000_000) + "s3cr3t-value" + &"y".repeat(10);
    assert!(bodies[2] == long, "{} bytes", bodies[2].len());
    assert_eq!(bodies[0], "k=s3cr3t-value");
    assert!(requests[0].contains("Content-Length: 14\r\n"));
    assert_eq!(bodies[1], "<s3cr3t-value>e");
    assert_eq!(bodies[3..], ["after", r#"{"key": "s3cr3t-value"}"#, "", "last s3cr3t-value"]);
    assert!(requests[4].contains("Authorization: Bearer s3cr3t-value\r\n"));
}

#[tokio::test]
async fn values_are_written_so_that_the_body_stays_what_it_is() {
    let (_, requests) = sent(
        r#"a "b"&c\"#,
        r"
import base64, json, urllib.parse, urllib.request
def ask(body, kind):
    r = urllib.request.Request('https://api.test:PORT/', body.encode(), {'Content-Type': kind})
    r.add_header('Authorization', 'Basic ' + base64.b64encode(f'me:{key}'.encode()).decode())
    urllib.request.urlopen(r)
ask(json.dumps({'key': key}), 'application/json; charset=utf-8')
ask(urllib.parse.urlencode({'key': key, 'b': 1}), 'application/x-www-form-urlencoded')
",
    )
    .await;
    assert_eq!(body(&requests[0]), r#"{"key": "a \"b\"&c\\"}"#);
    assert_eq!(body(&requests[1]), "key=a%20%22b%22%26c%5C&b=1");
    let basic =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, r#"me:a "b"&c\"#);
    for request in requests {
        assert!(request.contains(&format!("Authorization: Basic {basic}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn writes_cut_anywhere_and_tls_in_memory() {
    let (out, requests) = sent(
        "s3cr3t-value",
        r"
import asyncio, socket, ssl
context = ssl.create_default_context()
context.set_alpn_protocols(['h2', 'http/1.1'])
request = (
    f'POST / HTTP/1.1\r\nHost: api.test:PORT\r\nA: {key}\r\nContent-Length: 46\r\n\r\n<{key}>'
    f'POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n2d\r\n{key}e\r\n0\r\n\r\n'
).encode()
with context.wrap_socket(socket.create_connection(('api.test', PORT)), server_hostname='api.test') as s:
    for i in range(len(request)): s.send(request[i:i+1])
    answers = b''
    while answers.count(b'ok') < 2: answers += s.recv(1000)
    print(s.selected_alpn_protocol())

async def main():
    reader, writer = await asyncio.open_connection('api.test', PORT, ssl=context)
    for piece in (request[:60], request[60:200], request[200:]):
        writer.write(piece)
        await writer.drain()
    big = b'v' * 2_000_000 + key.encode()
    writer.write(f'PUT / HTTP/1.1\r\nHost: api.test\r\nContent-Length: {len(big)}\r\n\r\n'.encode() + big)
    await writer.drain()
    answers = b''
    while answers.count(b'ok') < 3: answers += await reader.read(1000)
    writer.close()
asyncio.run(main())
",
    )
    .await;
    assert_eq!(out, "http/1.1\n");
    assert_eq!(requests.len(), 5);
    for pair in [&requests[..2], &requests[2..4]] {
        assert!(pair[0].contains("A: s3cr3t-value\r\nContent-Length: 14\r\n"), "{}", pair[0]);
        assert_eq!([body(&pair[0]), body(&pair[1])], ["<s3cr3t-value>", "s3cr3t-valuee"]);
    }
    assert!(requests[4].ends_with("vs3cr3t-value"));
}

/// A server for `api.test` that repeats what it was sent, in the way that the path says.
fn repeating(authority: &Authority) -> Server {
    Server::tls(authority.server("api.test"), |stream| {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream) {
            let header = |name: &str| {
                let lines = request.lines();
                let found = lines.filter_map(|line| line.split_once(": "));
                found.filter(|(own, _)| *own == name).map(|(_, value)| value).next()
            };
            let key = header("X-Key").unwrap_or_default();
            let length =
                |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
            let path = request.split(' ').nth(1).unwrap();
            let body = format!(
                "<{key}|{}|{}>",
                header("Authorization").unwrap_or_default(),
                header("Accept-Encoding").unwrap_or_default()
            );
            let stream = stream.get_mut();
            let mut say = |text: &str| {
                stream.write_all(text.as_bytes()).unwrap();
                stream.flush().unwrap();
            };
            match path {
                "/length" => say(&format!("{}\r\n{body}", length(&body))),
                "/head" => say(&format!("{}X-Echo: {key}\r\n\r\n", length(&body))),
                "/to" => say(&format!(
                    "HTTP/1.1 302 To\r\nLocation: /length?k={key}\r\nContent-Length: 0\r\n\r\n"
                )),
                "/chunks" => {
                    say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    for piece in body.as_bytes().chunks(5) {
                        say(&format!(
                            "{:x}\r\n{}\r\n",
                            piece.len(),
                            String::from_utf8_lossy(piece)
                        ));
                    }
                    say(&format!("0\r\nX-Echo: {key}\r\n\r\n"));
                }
                "/pieces" => {
                    say(&length(&body));
                    for piece in format!("\r\n{body}").as_bytes().chunks(1) {
                        say(&String::from_utf8_lossy(piece));
                    }
                }
                "/long" => {
                    let body = format!("{}{key}{}", "x".repeat(1_999_990), "y".repeat(10));
                    say(&format!("{}\r\n{body}", length(&body)));
                }
                "/upgrade" => {
                    say("HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
                    say(&format!("{key} yes"));
                }
                "/end" => {
                    say(&format!("HTTP/1.1 200 OK\r\n\r\n{body}"));
                    return;
                }
                _ => say(&format!("{}\r\n{path}", length(path))),
            }
        }
    })
}

#[tokio::test]
async fn what_servers_repeat_comes_back_as_the_placeholder() {
    let authority = Authority::new();
    let server = repeating(&authority);
    let value = "s3cr3t-value";
    let secret = Secret::new("KEY", value, ["api.test".parse().unwrap()]).unwrap();
    let secret = secret.in_path_and_query();
    let sandbox = sandbox_with(trusting(&authority).secret(secret));
    let code = r"
import base64, http.client, os, ssl, socket, urllib.request
key = os.environ['KEY']
basic = 'Basic ' + base64.b64encode(f'me:{key}'.encode()).decode()
headers = {'X-Key': key, 'Authorization': basic, 'Accept-Encoding': 'gzip, br'}
c = http.client.HTTPSConnection('api.test', PORT, timeout=30)
def ask(path, method='GET'):
    c.request(method, path, headers=headers)
    r = c.getresponse()
    return r, r.read()
same = f'<{key}|{basic}|identity>'.encode()
for path in ('/length', '/chunks', '/pieces', '/length', '/end'):
    r, body = ask(path)
    print(path, body == same, r.status)
r, body = ask('/head', 'HEAD')
print(body, r.getheader('X-Echo') == key)
r, body = ask('/to')
print(r.getheader('Location') == '/length?k=' + key)
print(ask('/x?' + key)[1] == b'/x?' + key.encode())
r, body = ask('/long')
print(len(body), body.rstrip(b'y')[-13:])
request = urllib.request.Request('https://api.test:PORT/to', headers={'X-Key': key})
print(key in urllib.request.urlopen(request).url)
with ssl.create_default_context().wrap_socket(socket.create_connection(('api.test', PORT), 30), server_hostname='api.test') as s:
    s.sendall(f'GET /upgrade HTTP/1.1\r\nHost: api.test\r\nX-Key: {key}\r\n\r\n'.encode())
    got = b''
    while not got.endswith(b'yes'): got += s.recv(100)
    print(got.split(b'\r\n\r\n')[1])
";
    let out = sandbox.execute(code.replace("PORT", &server.port.to_string())).await;
    let out = out.unwrap().stdout.into_string();
    assert_eq!(
        out,
        "/length True 200\n/chunks True 200\n/pieces True 200\n/length True 200\n/end True 200\n\
         b'' True\nTrue\nTrue\n2000012 b'x************'\nTrue\nb'************ yes'\n"
    );
}

#[tokio::test]
async fn trace_is_refused_where_it_would_tell_a_secret() {
    let (out, requests) = sent(
        "s3cr3t-value",
        r"
import http.client
for method, value in (('TRACE', key), ('TRACE', 'x'), ('GET', key)):
    c = http.client.HTTPSConnection('api.test', PORT, timeout=30)
    try:
        c.request(method, '/', headers={'X-Key': value})
        print(method, c.getresponse().status)
    except PermissionError as e: print(e.strerror)
",
    )
    .await;
    let refused = "TRACE has a server send back what it gets, and there is a secret in it\n";
    assert_eq!(out, format!("{refused}TRACE 200\nGET 200\n"));
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let (out, requests) = sent(
        "s3cr3t-value",
        r"
import http.client
def attempt(head, body=b''):
    c = http.client.HTTPSConnection('api.test', PORT, timeout=30)
    c.connect()
    try:
        c.sock.sendall(head.encode() + b'\r\nHost: api.test\r\n' + body)
        print(c.sock.recv(100))
    except PermissionError as e: print(e.strerror)
attempt('PUT / HTTP/1.0\r\nContent-Length: 2000000', b'\r\n')
attempt('PUT / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked', b'\r\n')
attempt('PUT / HTTP/1.1\r\nContent-Length: 4400000', b'\r\n' + key.encode() * 100_000)
attempt('GET / HTTP/1.1\r\nA: ' + 'a' * 70_000)
",
    )
    .await;
    assert_eq!(
        out,
        "a body of more than 1 MiB with secrets in it needs HTTP/1.1: it goes in chunks\n\
         an HTTP request to a server with secrets has two lengths, or none that can be read\n\
         secrets would add more than 1 MiB to an HTTP request\n\
         an HTTP request to a server with secrets has a head of more than 64 KiB, or a line of \
         more than 4 KiB between chunks\n"
    );
    assert_eq!(requests, Vec::<String>::new());
}
