//! No way to write a private address passes a policy that allows all hosts.

use crate::peers::sandbox_with;
use eryx::{Answer, Attempt, HostName, NetConfig, NetLimits, Resolver};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

/// An address of each private network, the rest of its bits at random.
fn private_v4() -> impl Strategy<Value = Ipv4Addr> {
    let networks = select(vec![
        ("0.0.0.0", 8),
        ("10.0.0.0", 8),
        ("100.64.0.0", 10),
        ("127.0.0.0", 8),
        ("127.0.0.1", 32),
        ("169.254.0.0", 16),
        ("169.254.169.254", 32),
        ("168.63.129.16", 32),
        ("172.16.0.0", 12),
        ("192.168.0.0", 16),
        ("224.0.0.0", 4),
        ("255.255.255.255", 32),
    ]);
    (networks, any::<u32>()).prop_map(|((network, length), bits)| {
        let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
        let network: Ipv4Addr = network.parse().unwrap();
        Ipv4Addr::from_bits(network.to_bits() | (bits & host_bits))
    })
}

/// IPv6 addresses that are, carry or are translated to this one.
fn carriers(inner: Ipv4Addr) -> Vec<Ipv6Addr> {
    let bits = u128::from(inner.to_bits());
    let at = |prefix: &str, shift: u32| {
        Ipv6Addr::from_bits(prefix.parse::<Ipv6Addr>().unwrap().to_bits() | bits << shift)
    };
    vec![
        at("::ffff:0:0", 0),
        at("::", 0),
        at("::ffff:0:0:0", 0),
        at("64:ff9b::", 0),
        at("64:ff9b:1::", 0),
        at("64:ff9b:1:fffe::", 0),
        at("2002::", 80),
        at("2002::1", 80),
        at("2001::", 64),
        // Teredo's client, written with its bits turned over.
        at("2001:0:4136:e378:8000:63bf:ffff:ffff", 0) & Ipv6Addr::from_bits(!bits),
        at("fe80::5efe:0:0", 0),
        at("2a00:1:2:3:0:5efe::", 0),
        at("2a00:1:2:3:200:5efe::", 0),
        at("fd00::", 0),
        at("fec0::", 0),
        at("ff02::", 0),
    ]
}

fn private_v6() -> impl Strategy<Value = Ipv6Addr> {
    let own = select(vec![
        "::",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fc00::1",
        "ff02::1",
        "fec0::1",
    ])
    .prop_map(|text| text.parse::<Ipv6Addr>().unwrap());
    let carried = private_v4().prop_flat_map(|inner| select(carriers(inner)));
    prop_oneof![1 => own, 4 => carried]
}

/// As C's `inet_aton` reads addresses: of one to four numbers, each in any base.
fn numbers() -> impl Strategy<Value = String> {
    (private_v4(), 1..=4usize, vec((0..4u8, 0..3usize), 4)).prop_map(|(address, count, forms)| {
        let bytes = address.octets().map(u32::from);
        let last = bytes[count - 1..].iter().fold(0, |number, byte| number << 8 | byte);
        let parts = bytes[..count - 1].iter().copied().chain([last]);
        let parts = parts.zip(forms).map(|(number, (base, zeros))| {
            let zeros = "0".repeat(zeros);
            match base {
                0 => format!("{number}"),
                1 => format!("0x{zeros}{number:x}"),
                2 => format!("0X{zeros}{number:X}"),
                _ => format!("0{zeros}{number:o}"),
            }
        });
        parts.collect::<Vec<_>>().join(".")
    })
}

/// Digits and dots that look the same, which IDNA turns into the plain ones.
fn disguised(text: &str, digits: u32, dot: char) -> String {
    let digit = |digit: u32| char::from_u32(digits + digit);
    text.chars()
        .map(|c| match c.to_digit(10) {
            Some(value) => digit(value).unwrap_or(c),
            None if c == '.' => dot,
            None => c,
        })
        .collect()
}

fn v6_text() -> impl Strategy<Value = String> {
    (private_v6(), 0..5u8).prop_map(|(address, form)| {
        let full: Vec<_> = address.segments().iter().map(|part| format!("{part:04x}")).collect();
        match form {
            0 => address.to_string(),
            1 => full.join(":"),
            2 => full.join(":").to_uppercase(),
            3 => address.to_string().to_uppercase(),
            _ => {
                let [.., c, d] = address.segments();
                let inner = Ipv4Addr::from_bits(u32::from(c) << 16 | u32::from(d));
                format!("{}:{inner}", full[..6].join(":"))
            }
        }
    })
}

fn spelling() -> impl Strategy<Value = String> {
    let digits =
        select(vec![u32::from('0'), 0xff10, 0x0660, 0x06f0, 0x0966, 0x1d7ce, 0x2460 - 1, 0x2080]);
    let dots = select(vec!['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
    let plain = prop_oneof![
        3 => numbers(),
        1 => private_v4().prop_map(|address| address.to_string()),
        2 => (prop_oneof![private_v4().prop_map(|a| a.to_string()), numbers()], digits, dots)
            .prop_map(|(text, digits, dot)| disguised(&text, digits, dot)),
        3 => v6_text(),
        1 => select(vec!["localhost", "LOCALHOST", "a.localhost", "private.test", ""]).prop_map(String::from),
    ];
    let around = select(vec![
        ("", ""),
        ("", ""),
        ("", ""),
        ("", "."),
        ("", ".."),
        ("[", "]"),
        ("[", "]:80"),
        ("", "%1"),
        ("", "%lo"),
        ("", "%25eth0"),
        (" ", ""),
        ("", " "),
        ("", "\t"),
        ("", ":80"),
        ("a@", ""),
        ("http://", ""),
        ("", "/"),
        ("", "#.example.com"),
        ("", "\\.example.com"),
        ("", "\u{200b}"),
        ("\u{ad}", ""),
        ("", "\u{0}"),
    ]);
    (plain, around).prop_map(|(text, (before, after))| format!("{before}{text}{after}"))
}

/// Leads every name to private addresses, and remembers what it was asked.
struct Private {
    addresses: Vec<IpAddr>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Resolver for Private {
    fn resolve(&self, name: &HostName) -> Answer {
        self.asked.lock().unwrap().push(name.to_string());
        let found = self.addresses.clone();
        Box::pin(async { Ok(found) })
    }
}

const ATTEMPTS: &str = r"
import asyncio, http.client, json, socket, urllib.request
def connect(host):
    socket.create_connection((host, 80), 5)
def straight(host):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    socket.socket(family).connect((host, 80))
def resolved(host):
    for *_, address in socket.getaddrinfo(host, 80): straight(address[0])
    socket.gethostbyname(host)
def url(host):
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f'http://{host}/')
def stream(host):
    asyncio.run(asyncio.open_connection(host, 80))
for host in json.loads(HOSTS):
    for attempt in (connect, straight, resolved, url, stream):
        try:
            attempt(host)
        except (OSError, ValueError, http.client.HTTPException):
            pass
        else:
            print(attempt.__name__, ascii(host))
";

/// What came of connecting to these hosts, where names lead to these addresses
/// and everything public is allowed: what got through in the guest, the addresses
/// that the policy let pass, the names that it let be looked up.
async fn attempted(hosts: &[String], addresses: Vec<IpAddr>) -> (String, Vec<String>, Vec<String>) {
    let (asked, passed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (resolver, seen) = (Private { addresses, asked: Arc::clone(&asked) }, Arc::clone(&passed));
    let everything = [
        "*:*",
        "0.0.0.0/0:*",
        "0.0.0.0/1:*",
        "128.0.0.0/1:*",
        "192.0.0.0/2:*",
        "[::/0]:*",
        "[::/1]:*",
    ]
    .map(|rule| rule.parse().unwrap());
    let network = everything
        .into_iter()
        .fold(NetConfig::new(), NetConfig::allow_rule)
        .limits(NetLimits { total: u32::MAX, ..NetLimits::default() })
        .resolver(resolver)
        .gate(move |attempt| match attempt {
            Attempt::Connect { address, .. } => {
                seen.lock().unwrap().push(address.to_string());
                false
            }
            _ => true,
        });
    let list = serde_json::to_string(&serde_json::to_string(hosts).unwrap()).unwrap();
    let output = sandbox_with(network).execute(ATTEMPTS.replace("HOSTS", &list)).await.unwrap();
    let (asked, passed) = (asked.lock().unwrap().clone(), passed.lock().unwrap().clone());
    (output.stdout.into_string(), passed, asked)
}

#[tokio::test]
async fn no_spelling_of_a_private_address_passes() {
    let mut runner = TestRunner::default();
    let address = prop_oneof![private_v4().prop_map(IpAddr::V4), private_v6().prop_map(IpAddr::V6)];
    let addresses =
        (0..200).map(|_| address.new_tree(&mut runner).unwrap().current()).collect::<Vec<_>>();
    let mut hosts: Vec<_> =
        (0..1000).map(|_| spelling().new_tree(&mut runner).unwrap().current()).collect();
    hosts.push("private.test".into());
    let (out, passed, asked) = attempted(&hosts, addresses).await;
    assert_eq!((out.as_str(), passed), ("", Vec::new()));
    assert!(asked.iter().any(|name| name == "private.test"), "nothing was looked up");
    for name in asked {
        assert!(!is_number(&name), "{name} was looked up");
    }
    // What is public does pass, so the above says something.
    let addresses = ["1.1.1.1", "2606:4700:4700::1111"].map(|text| text.parse().unwrap());
    let (_, passed, _) = attempted(&["public.test".into()], addresses.to_vec()).await;
    for address in ["1.1.1.1:80", "[2606:4700:4700::1111]:80"] {
        assert!(passed.iter().any(|seen| seen == address), "{passed:?}");
    }
}

/// Whether C's `inet_aton` would read an address from this.
fn is_number(name: &str) -> bool {
    name.split('.').all(|part| {
        let hex = part.strip_prefix("0x");
        hex.map_or(part.parse::<u64>().is_ok(), |hex| u64::from_str_radix(hex, 16).is_ok())
    })
}
