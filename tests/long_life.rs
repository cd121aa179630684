//! Twenty-four hours in small: sessions are used in all ways in random order,
//! and leave nothing behind.

use crate::support::process;
use eryx::{
    Error, Poison, PythonImageSnapshot, PythonStateSnapshot, ResourceLimits, Sandbox, Session,
    State,
};
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Sets how many steps are done; 200,000 is the promise.
const STEPS: &str = "ERYX_TEST_STEPS";

/// Sets where chance begins.
const SEED: &str = "ERYX_TEST_SEED";

/// Sessions that live at once, at most.
const MOST: usize = 8;

/// A session and what its `x` must be; poisoned ones have none.
struct Live {
    session: Session,
    x: Option<u64>,
}

enum Saved {
    State(PythonStateSnapshot),
    Image(PythonImageSnapshot),
}

struct World {
    sandbox: Sandbox,
    chance: Chance,
    live: Vec<Live>,
    /// With the `x` that is in it.
    saved: Option<(Saved, u64)>,
    counts: Vec<(&'static str, u64)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let limits = ResourceLimits::default().with_timeout(Duration::from_mins(1));
        let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
        Self { sandbox, chance: Chance(seed), live: Vec::new(), saved: None, counts: Vec::new() }
    }

    async fn step(&mut self) {
        if self.live.is_empty() {
            return self.open().await;
        }
        let index = self.chance.below(self.live.len());
        let kind = self.chance.below(100);
        let name = match (self.live[index].x, kind) {
            (None, _) => self.recover(index).await,
            (Some(x), 0..40) => self.run(index, x).await,
            (Some(x), 40..50) => self.save_state(index, x).await,
            (Some(x), 50..58) => self.save_image(index, x).await,
            (Some(_), 58..66) => self.restore(index).await,
            (Some(x), 66..74) => self.fork(index, x).await,
            (Some(_), 74..78) => self.reset(index).await,
            (Some(_), 78..82) => self.clear(index).await,
            (Some(x), 82..86) => self.undo(index, x).await,
            (Some(_), 86..92) => self.poison(index).await,
            (Some(_), 92..96) => {
                self.live.swap_remove(index);
                "dropped"
            }
            _ => {
                self.open().await;
                "opened"
            }
        };
        match self.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((name, 1)),
        }
    }

    async fn open(&mut self) {
        let session = self.sandbox.session().await.unwrap();
        session.execute("x = 0").await.unwrap();
        self.add(session, 0);
    }

    fn add(&mut self, session: Session, x: u64) {
        if self.live.len() == MOST {
            self.live.swap_remove(0);
        }
        self.live.push(Live { session, x: Some(x) });
    }

    async fn run(&mut self, index: usize, x: u64) -> &'static str {
        const PROGRAMS: &[&str] = &[
            "x += 1",
            "x += 1\nopen('/tmp/f', 'w').write(str(x))",
            "x += 1\nf = open('/tmp/f', 'w+')",
            "x += 1\nimport json\njson.loads(json.dumps({'x': x}))",
            "import asyncio\nx += 1\nawait asyncio.sleep(0)\ntask = asyncio.create_task(asyncio.sleep(60))",
            "x += 1\n1 / 0",
            "x += 1\nprint('a' * 5000)",
            "x += 1\nkept = [bytes(1000) for _ in range(2000)]\ndel kept",
            "x += 1\nimport sys\nsys.exit(3)",
        ];
        let program = PROGRAMS[self.chance.below(PROGRAMS.len())];
        let live = &mut self.live[index];
        let ended = live.session.execute(program).await;
        assert!(matches!(ended, Ok(_) | Err(Error::Execution(_))), "{program}: {ended:?}");
        live.x = Some(x + 1);
        live.check(x + 1).await;
        "run"
    }

    async fn save_state(&mut self, index: usize, x: u64) -> &'static str {
        let session = &self.live[index].session;
        // What was left open or waits cannot be saved: it is let go.
        session.execute("f = task = None").await.unwrap();
        self.saved = Some((Saved::State(session.snapshot_state().await.unwrap()), x));
        "state saved"
    }

    async fn save_image(&mut self, index: usize, x: u64) -> &'static str {
        let image = self.live[index].session.snapshot_image().await.unwrap();
        self.saved = Some((Saved::Image(image), x));
        "image saved"
    }

    async fn restore(&mut self, index: usize) -> &'static str {
        let Some((saved, x)) = &self.saved else { return "nothing to restore" };
        let live = &mut self.live[index];
        match saved {
            Saved::State(state) => live.session.restore_state(state).await.unwrap(),
            Saved::Image(image) => live.session.restore_image(image).await.unwrap(),
        }
        live.x = Some(*x);
        live.check(*x).await;
        "restored"
    }

    async fn fork(&mut self, index: usize, x: u64) -> &'static str {
        let fork = self.live[index].session.fork().await.unwrap();
        self.add(fork, x);
        self.live[self.live.len() - 1].check(x).await;
        "forked"
    }

    async fn reset(&mut self, index: usize) -> &'static str {
        self.live[index].session.reset().await.unwrap();
        self.live[index].define().await;
        "reset"
    }

    async fn clear(&mut self, index: usize) -> &'static str {
        self.live[index].session.clear_state().await.unwrap();
        self.live[index].define().await;
        "cleared"
    }

    async fn undo(&mut self, index: usize, x: u64) -> &'static str {
        let live = &self.live[index];
        let failed = live.session.execute_transactional("x = -1\nraise ValueError").await;
        assert!(matches!(failed, Err(Error::Execution(_))), "{failed:?}");
        live.check(x).await;
        "undone"
    }

    async fn poison(&mut self, index: usize) -> &'static str {
        let crash = self.chance.below(2) == 0;
        let live = &mut self.live[index];
        live.x = None;
        if crash {
            let ended = live.session.execute("import os\nos.abort()").await;
            assert!(matches!(ended, Err(Error::Trap(_))), "{ended:?}");
            assert_eq!(live.session.state(), State::Poisoned(Poison::Trap));
            return "crashed";
        }
        {
            let mut run = Box::pin(live.session.execute("import time\ntime.sleep(60)"));
            let polled = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending));
        }
        assert_eq!(live.session.state(), State::Poisoned(Poison::Dropped));
        "run dropped"
    }

    /// A poisoned session refuses, and comes back.
    async fn recover(&mut self, index: usize) -> &'static str {
        let refused = self.live[index].session.execute("x").await;
        assert!(matches!(refused, Err(Error::Poisoned(_))), "{refused:?}");
        if self.chance.below(2) == 0 && self.saved.is_some() {
            return self.restore(index).await;
        }
        self.reset(index).await
    }
}

impl Live {
    async fn define(&mut self) {
        self.session.execute("x = 0").await.unwrap();
        self.x = Some(0);
    }

    async fn check(&self, x: u64) {
        let output = self.session.execute("x").await.unwrap();
        assert_eq!(output.result.unwrap().as_str(), x.to_string());
    }
}

/// `SplitMix64`: the same steps from the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Held {
    memory_kib: u64,
    handles: usize,
    threads: usize,
    mappings: usize,
    tasks: usize,
}

#[cfg(target_os = "linux")]
fn held() -> Held {
    Held {
        memory_kib: process::memory_kib(),
        handles: process::handles(),
        threads: process::threads(),
        mappings: process::mappings(),
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
    }
}

/// What is held once what was under way has ended; tokio keeps a thread without
/// work for ten seconds.
#[cfg(target_os = "linux")]
async fn settled(before: &Held) -> Held {
    let start = Instant::now();
    loop {
        let now = held();
        let is_settled = now.threads <= before.threads && now.tasks <= before.tasks;
        if is_settled || start.elapsed() > Duration::from_secs(30) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "the figures are what a long one is run for")]
async fn a_long_life_leaves_nothing_behind() {
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |n| n.parse().unwrap());
    let (steps, seed) = (number(STEPS, 400), number(SEED, 1));
    let mut world = World::new(seed);
    // Caches fill, and instances that will be used again.
    for _ in 0..steps.min(1000) {
        world.step().await;
    }
    world.live.clear();
    let before = held();
    let start = Instant::now();
    for done in 1..=steps {
        world.step().await;
        if done % 20_000 == 0 {
            println!("{done} steps in {:.0?}: {:?}", start.elapsed(), held());
        }
    }
    world.live.clear();
    world.saved = None;
    let after = settled(&before).await;
    println!("{:?}\nbefore {before:?}\nafter {after:?}", world.counts);
    assert_eq!(after.handles, before.handles);
    assert!(after.threads <= before.threads, "{before:?} {after:?}");
    assert!(after.tasks <= before.tasks, "{before:?} {after:?}");
    assert!(after.mappings < before.mappings + 100, "{before:?} {after:?}");
    // Whatever a step left would come to more in the long run, and to little in
    // the short one; what the allocator keeps of the process comes once.
    assert!(after.memory_kib < before.memory_kib + (24 << 10), "{before:?} {after:?}");
}
