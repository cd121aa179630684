//! What is asked of proxies.

use super::*;

fn sent(guest: &mut Guest<'_, Embedder>, connection: u32, request: &str) -> Option<Code> {
    Tcp::send(guest, connection, request.as_bytes().to_vec()).err().map(|failure| failure.code)
}

#[tokio::test]
async fn proxies_lead_where_the_rules_allow() {
    let (_listener, port) = listener().await;
    let gate = |attempt: &Attempt<'_>| !matches!(attempt, Attempt::Tunnel { host: "no.test", .. });
    let config = local().allow("target.test").unwrap().allow("no.test").unwrap().gate(gate);
    let mut embedder = Embedder::new(config);
    let named = |name: &str| Options { server_name: Some(name.into()), ..options() };
    for (asked, allowed) in [
        ("target.test:443", true),
        ("TARGET.test.:443", true),
        ("target.test:80", false),
        ("other.test:443", false),
        ("no.test:443", false),
        ("10.0.0.1:443", false),
        ("127.0.0.1:5", true),
    ] {
        let connection = embedder.connected(port).await.unwrap();
        let mut guest = Guest(&mut embedder);
        let request = format!("CONNECT {asked} HTTP/1.1\r\n\r\n");
        assert_eq!(code(guest.open_on(connection, named("target.test"))), Code::Denied);
        let refused = (!allowed).then_some(Code::Denied);
        assert_eq!(sent(&mut guest, connection, &request), refused);
        let opened = guest.open_on(connection, named("target.test"));
        let ours = asked.to_ascii_lowercase().starts_with("target.test") && allowed;
        assert_eq!(opened.is_ok(), ours, "{asked}: {opened:?}");
        Tcp::close(&mut guest, connection);
    }
}

#[tokio::test]
async fn whatever_a_proxy_would_take_for_a_request_is_judged() {
    let (_listener, port) = listener().await;
    let mut embedder = Embedder::new(local().allow("target.test:80").unwrap());
    let requests = [
        ("GET http://target.test/ HTTP/1.1\r\n\r\n", true),
        ("GET http://other.test/ HTTP/1.1\r\n\r\n", false),
        ("GET http://10.0.0.1/ HTTP/1.1\r\n\r\n", false),
        ("GET http://127.1/ HTTP/1.1\r\n\r\n", false),
        ("CONNECT 127.1:80 HTTP/1.1\r\n\r\n", false),
        ("CONNECT 0x7f000001:80 HTTP/1.1\r\n\r\n", false),
        ("connect other.test:80 HTTP/1.1\r\n\r\n", false),
    ];
    let before = [
        "",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "CONNECT target.test:80 HTTP/1.1\r\n\r\n",
    ];
    for ((request, allowed), before) in requests.iter().flat_map(|one| before.map(|b| (*one, b))) {
        embedder.net.begin_run();
        let connection = embedder.connected(port).await.unwrap();
        let mut guest = Guest(&mut embedder);
        let refused = (!allowed).then_some(Code::Denied);
        assert_eq!(
            sent(&mut guest, connection, &format!("{before}{request}")),
            refused,
            "{request}"
        );
        Tcp::close(&mut guest, connection);
        let connection = embedder.connected(port).await.unwrap();
        let mut guest = Guest(&mut embedder);
        // In pieces: up to the end of the line nothing is asked.
        let all = format!("{before}{request}");
        let mut pieces = all.split_inclusive(|_| true);
        let told = pieces.find_map(|piece| sent(&mut guest, connection, piece));
        assert_eq!(told, refused, "{request}");
        Tcp::close(&mut guest, connection);
    }
}

#[tokio::test]
async fn what_a_proxy_is_asked_for_counts() {
    let (_listener, port) = listener().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let gate = move |attempt: &Attempt<'_>| {
        count.fetch_add(1, SeqCst);
        !matches!(attempt, Attempt::Tunnel { host: "no.test", .. })
    };
    let config = few(8, 6).allow("no.test").unwrap().allow("yes.test:80").unwrap().gate(gate);
    let mut embedder = Embedder::new(config);
    let connection = embedder.connected(port).await.unwrap();
    let mut guest = Guest(&mut embedder);
    let refused = "CONNECT no.test:443 HTTP/1.1\r\n\r\n";
    let unclear = "CONNECT 127.1:443 HTTP/1.1\r\n\r\n";
    let granted = "GET http://yes.test/ HTTP/1.1\r\n\r\n";
    for request in [refused, refused, unclear] {
        assert_eq!(sent(&mut guest, connection, request), Some(Code::Denied));
    }
    // To the same server as often as wanted.
    for _ in 0..100 {
        assert_eq!(sent(&mut guest, connection, granted), None);
    }
    assert_eq!(sent(&mut guest, connection, refused), Some(Code::Denied));
    for _ in 0..10_000 {
        assert_eq!(sent(&mut guest, connection, refused), Some(Code::Limit));
        assert_eq!(sent(&mut guest, connection, unclear), Some(Code::Denied));
    }
    assert_eq!(sent(&mut guest, connection, granted), None);
    assert_eq!(asked.load(SeqCst), 5);
    assert_eq!(code(embedder.connected(port).await), Code::Limit);
    embedder.net.begin_run();
    assert_eq!(sent(&mut Guest(&mut embedder), connection, refused), Some(Code::Denied));
}
