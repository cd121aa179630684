//! What holds for all that is sent to a server that may be a proxy: the body of the fuzz
//! target `proxy_requests`, which is a test, too. It looks inside, so it is here.

use super::{Follower, Unclear};

/// Lines before a head, and what is asked for by it.
const LINES: [(&str, Option<&str>); 9] = [
    ("GET / HTTP/1.1", None),
    ("POST /http://b.test/ HTTP/1.1", None),
    ("\r\n\n PUT  *  HTTP/1.1", None),
    ("GET http://a.test/ HTTP/1.1", Some("a.test:80")),
    ("put HTTPS://me@[::1]?http://b.test HTTP/1.1", Some("::1:443")),
    ("CONNECT a.test:443 HTTP/1.1", Some("a.test:443")),
    ("connect\t127.0.0.1:5  HTTP/1.0", Some("127.0.0.1:5")),
    ("\r\nCONNECT [::ffff:10.0.0.1]:80 HTTP/1.1", Some("10.0.0.1:80")),
    ("CONNECT A.TEST.:1", Some("a.test:1")),
];

/// The rest of a head, and a body, in which nothing is asked for.
const BODIES: [&str; 5] = [
    "Host: a.test\r\n\r\n",
    "X: CONNECT b.test:1 HTTP/1.1\r\n\r\n",
    "Content-Length: 29\r\n\r\nCONNECT b.test:1 HTTP/1.1\r\n\r\n",
    "transfer-encoding:Chunked\r\n\r\n1d;a=b\r\nCONNECT b.test:1 HTTP/1.1\r\n\r\n\r\n0\r\nA: b\r\n\r\n",
    "Content-Length: 3\r\nContent-Length: 3\r\n\r\n\r\n\n",
];

/// Requests of which all is known and then any bytes: what is asked for is found, and
/// nothing that only looks like it, however they are cut.
///
/// # Panics
/// If that does not hold.
pub fn proxy_requests(bytes: &[u8]) {
    let mut input = bytes.iter().copied();
    let mut next = || input.next().map_or(0, usize::from);
    let size = 1 + next();
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..next() % 5 {
        let (line, asks) = LINES[next() % LINES.len()];
        let connects = line.to_ascii_lowercase().trim_start().starts_with("connect");
        let body = BODIES[next() % if connects { 2 } else { BODIES.len() }];
        stream.extend([line, "\r\n", body].concat().into_bytes());
        expected.extend(asks.map(str::to_owned));
    }
    assert_eq!(asked(&stream, usize::MAX), Ok(expected.clone()));
    stream.extend(input);
    let whole = asked(&stream, usize::MAX);
    assert_eq!(asked(&stream, size), whole, "in pieces of {size} bytes");
    assert!(whole.is_err() || whole.is_ok_and(|whole| whole.starts_with(&expected)));
}

/// What is asked for by bytes that come in pieces of such a size.
pub(super) fn asked(bytes: &[u8], size: usize) -> Result<Vec<String>, Unclear> {
    let mut follower = Follower::default();
    let mut asked = Vec::new();
    for piece in bytes.chunks(size) {
        asked.extend(follower.follow(piece)?);
    }
    Ok(asked.iter().map(|target| format!("{}:{}", target.host, target.port)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn seeds_of_proxy_requests() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/proxy_requests");
        let mut count = 0;
        for seed in fs::read_dir(folder).unwrap() {
            proxy_requests(&fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "there are no seeds");
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            proxy_requests(&bytes);
        }

        #[test]
        fn what_requests_are_made_of(
            known in prop::collection::vec(any::<u8>(), 10),
            text in "((CONNECT [a-z.:1-9\\[\\]]{1,8} |(GET|PUT) (http:/?/[a-z@]{1,4})?/ ?|HTTP/1.[01])\
                (\r?\n(Content-Length: [0-3]|Transfer-Encoding: chunked|[a-c :]{1,3})?){0,3}\
                (\r\n|[0-3]\r\n|\n|\\PC{0,3}){0,4}){0,4}",
        ) {
            proxy_requests(&[&known, text.as_bytes()].concat());
        }
    }
}
