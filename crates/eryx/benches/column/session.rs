//! Live sessions: runs, imports, files, snapshots, images, forks.

use crate::figure::{Figure, Figures, milliseconds, timed};
use crate::runtime;
use eryx::{InMemoryStorage, PoolOptions, Sandbox, SandboxPool, Session};
use tokio::runtime::Runtime;

pub(crate) const TEN_VARIABLES: &str = "
v0 = 0; v1 = 1; v2 = 2; v3 = 3; v4 = 4
v5 = 5; v6 = 6; v7 = 7; v8 = 8; v9 = 9
";
const LIST: &str = "L = list(range(131_072))";
const TEN_MB: &str = "x = [bytes([i % 256]) * 1000 for i in range(10_000)]";
const MODULES: &[&str] = &["json", "re", "asyncio", "dataclasses", "datetime", "decimal"];

/// A sandbox and what drives it.
struct House {
    runtime: Runtime,
    sandbox: Sandbox,
}

impl House {
    fn open(&self) -> Session {
        self.runtime.block_on(self.sandbox.session()).unwrap()
    }

    fn run(&self, session: &Session, code: &str) -> String {
        self.runtime.block_on(session.execute(code)).unwrap().stdout.into_string()
    }

    fn with(&self, code: &str) -> Session {
        let session = self.open();
        self.run(&session, code);
        session
    }
}

pub(crate) fn measure(figures: &mut Figures) {
    let house = House { runtime: runtime(), sandbox: Sandbox::embedded().build().unwrap() };
    runs(figures, &house);
    imports(figures, &house);
    states(figures, &house);
    images(figures, &house);
    files(figures, house);
}

fn runs(figures: &mut Figures, house: &House) {
    let open = || milliseconds(|| house.with("x=1"));
    figures.insert("session_open_ms".to_owned(), Figure::repeat(200, open));
    ready(figures, house);
    let live = house.with("x = -1");
    let run = Figure::repeat(2000, || milliseconds(|| house.run(&live, "x += 1")));
    figures.insert("session_exec_ms".to_owned(), run);
    assert_eq!(house.run(&live, "print(x)"), "2000\n");
    let mut number = 0;
    let other = Figure::repeat(2000, || {
        number += 1;
        milliseconds(|| house.run(&live, &format!("x += {number}")))
    });
    figures.insert("session_exec_new_text_ms".to_owned(), other);
}

/// The pool fills itself between two takes, which does not count.
fn ready(figures: &mut Figures, house: &House) {
    let options = PoolOptions::default().with_ready(1);
    let pool = SandboxPool::new(house.sandbox.clone(), options);
    let take = Figure::repeat(200, || {
        house.runtime.block_on(pool.fill()).unwrap();
        let (took, session) = timed(|| {
            house.runtime.block_on(async {
                let session = pool.try_acquire().unwrap();
                session.execute("x=1").await.unwrap();
                session
            })
        });
        drop(session);
        took
    });
    figures.insert("session_ready_ms".to_owned(), take);
}

fn imports(figures: &mut Figures, house: &House) {
    for module in MODULES {
        let import = Figure::repeat(15, || {
            let session = house.with("x=1");
            milliseconds(|| house.run(&session, &format!("import {module}")))
        });
        figures.insert(format!("import_{module}_ms"), import);
    }
}

/// A restore is into a new session, whose opening counts; what is saved is saved again, or
/// for the first time in its session.
fn states(figures: &mut Figures, house: &House) {
    for (name, code, probe, shown) in [
        ("10vars", TEN_VARIABLES, "print(v9)", "9\n"),
        ("1mb", LIST, "print(len(L), L[-1])", "131072 131071\n"),
    ] {
        let live = house.with(code);
        let save = |session: &Session| house.runtime.block_on(session.snapshot_state()).unwrap();
        let restore = |state: &_| {
            let session = house.open();
            house.runtime.block_on(session.restore_state(state)).unwrap();
            session
        };
        let (first_save, state) = timed(|| save(&live));
        figures.insert(format!("snap_{name}_first_ms"), Figure::once(first_save));
        let (first_restore, session) = timed(|| restore(&state));
        figures.insert(format!("restore_{name}_first_ms"), Figure::once(first_restore));
        assert_eq!(house.run(&session, probe), shown);
        drop(session);
        let size = u32::try_from(state.to_bytes().len()).unwrap();
        figures.insert(format!("snap_{name}_kb"), Figure::once(f64::from(size) / 1024.0));
        let again = || milliseconds(|| drop(save(&live)));
        figures.insert(format!("snap_{name}_ms"), Figure::repeat(50, again));
        let new = || {
            let session = house.with(code);
            milliseconds(|| drop(save(&session)))
        };
        figures.insert(format!("snap_{name}_new_ms"), Figure::repeat(50, new));
        let restored = Figure::repeat(50, || {
            let (took, session) = timed(|| restore(&state));
            assert_eq!(house.run(&session, probe), shown);
            took
        });
        figures.insert(format!("restore_{name}_ms"), restored);
    }
}

fn images(figures: &mut Figures, house: &House) {
    for (name, code) in [("x1", "x=1"), ("1mb", LIST), ("10mb", TEN_MB)] {
        let live = house.with(code);
        let capture = || house.runtime.block_on(live.snapshot_image()).unwrap();
        let image = capture();
        let size = u32::try_from(image.to_bytes().len()).unwrap();
        figures.insert(format!("image_{name}_kb"), Figure::once(f64::from(size) / 1024.0));
        figures.insert(format!("image_{name}_ms"), Figure::repeat(500, || milliseconds(capture)));
        let start = || {
            let session = house.runtime.block_on(Session::from_image(&house.sandbox, &image));
            house.run(&session.unwrap(), "None");
        };
        figures
            .insert(format!("image_start_{name}_ms"), Figure::repeat(50, || milliseconds(start)));
        let fork = || drop(house.runtime.block_on(live.fork()).unwrap());
        figures.insert(format!("fork_{name}_ms"), Figure::repeat(500, || milliseconds(fork)));
    }
}

fn files(figures: &mut Figures, house: House) {
    let storage = InMemoryStorage::with_limits(eryx::StorageLimits::default().with_nodes(20_000));
    let sandbox = Sandbox::embedded().storage(storage).build().unwrap();
    let house = House { sandbox, ..house };
    let live = house.open();
    let large = "with open('/data/big', 'w') as f: f.write('x' * 1_000_000)\n\
        with open('/data/big') as f: print(len(f.read()))";
    let large = || milliseconds(|| assert_eq!(house.run(&live, large), "1000000\n"));
    figures.insert("file_1mb_ms".to_owned(), Figure::repeat(30, large));
    let mut turn = 0;
    let many = || {
        turn += 1;
        let code = format!(
            "for i in range(1000):\n    with open('/data/f{turn}_' + str(i), 'w') as f: f.write('x')\n\
             with open('/data/f{turn}_999') as f: print(f.read())"
        );
        milliseconds(|| assert_eq!(house.run(&live, &code), "x\n"))
    };
    figures.insert("file_1000_ms".to_owned(), Figure::repeat(15, many));
}
