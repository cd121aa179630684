//! SQLite's databases in memory and on volumes, shared or not.

use crate::files::{exception, folder, over, printed, volume};
use eryx::{
    ArcStorage, DirPerms, Error, FilePerms, InMemoryStorage, ResourceLimits, Sandbox, Session,
    VfsConfig, VolumeMount,
};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn databases_in_memory_and_on_a_volume() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    for place in ["/data/x.db", "/vol/x.db"] {
        let code = format!(
            "import sqlite3\nc = sqlite3.connect('{place}')\n\
             c.execute('create table t (n)')\n\
             with c: c.executemany('insert into t values (?)', [(n,) for n in range(1000)])\n\
             c.close()\n\
             print(sqlite3.connect('{place}').execute('select sum(n) from t').fetchone()[0])"
        );
        assert_eq!(printed(&sandbox, &code).await, "499500\n");
    }
    let _ = exception(&sandbox, "import sqlite3; sqlite3.connect('/none/x.db')").await;
}

/// What a program does with two connections, one of which is writing.
const TWO_CONNECTIONS: &str = r"
import sqlite3
one = sqlite3.connect(place, timeout=0)
two = sqlite3.connect(place, timeout=0)
with one:
    one.execute('create table t (n)')
    one.execute('insert into t values (1)')
one.execute('insert into t values (2)')
print(two.execute('select * from t').fetchall())
try:
    two.execute('insert into t values (3)')
except sqlite3.OperationalError as error:
    print(error)
one.commit()
print(two.execute('select * from t').fetchall())
two.execute('insert into t values (4)')
one.close()
two.rollback()
print(two.execute('select count(*) from t').fetchone())
";

#[tokio::test]
async fn a_connection_reads_while_another_writes() {
    let folder = folder();
    let sandbox = volume(VolumeMount::new(folder.path().join("vol"), "/vol"));
    for place in ["/data/x.db", "/vol/x.db"] {
        let code = format!("place = '{place}'\n{TWO_CONNECTIONS}");
        let seen = "[(1,)]\ndatabase is locked\n[(1,), (2,)]\n(2,)\n";
        assert_eq!(printed(&sandbox, &code).await, seen);
    }
    let left = |name: &str| folder.path().join("vol").join(name).exists();
    assert!(left("x.db") && !left("x.db-journal") && !left("x.db.lock"));
}

#[tokio::test]
async fn a_run_that_ends_in_a_transaction_locks_nobody_out() {
    let storage = Arc::new(InMemoryStorage::new());
    let sandbox = over(&storage);
    let begin = "import os, sqlite3\nc = sqlite3.connect('/data/x.db')\n\
                 with c: c.execute('create table t (n)'); c.execute('insert into t values (1)')\n\
                 c.execute('pragma cache_size = 1')\n\
                 c.executemany('insert into t values (?)', [(str(n) * 100,) for n in range(5000)])\n\
                 print(os.path.exists('/data/x.db-journal'), os.stat('/data/x.db').st_size > 100000)";
    assert_eq!(printed(&sandbox, begin).await, "True True\n");
    // What was half written is taken back.
    let read = "import sqlite3; c = sqlite3.connect('/data/x.db', timeout=0)\n\
                with c: c.execute('insert into t values (2)')\n\
                print(c.execute('select * from t').fetchall())";
    assert_eq!(printed(&sandbox, read).await, "[(1,), (2,)]\n");
}

const SHARED: &str = "
import sqlite3
c = sqlite3.connect(place, timeout=0, isolation_level=None)
def attempt(*statement):
    try:
        return c.execute(*statement).fetchall()
    except sqlite3.OperationalError as error:
        return str(error)
";

/// Sessions that have the same files, and open a database in `places`.
async fn sharing<const N: usize>(sandbox: &Sandbox, places: [&str; N]) -> [Session; N] {
    let mut sessions = Vec::new();
    for place in places {
        let session = sandbox.session().await.unwrap();
        session.execute(format!("place = '{place}'\n{SHARED}")).await.unwrap();
        sessions.push(session);
    }
    sessions.try_into().unwrap()
}

async fn said(session: &Session, statement: &str) -> String {
    let code = format!("print(attempt({statement:?}))");
    session.execute(code).await.unwrap().stdout.trim_end().to_owned()
}

#[tokio::test]
async fn two_sessions_share_a_database() {
    let folder = folder();
    let config = VfsConfig::default()
        .with_volume(VolumeMount::new(folder.path().join("vol"), "/vol"))
        .with_volume(VolumeMount::new(folder.path().join("vol"), "/again"));
    let sandbox = Sandbox::embedded().files(InMemoryStorage::new(), &config).build().unwrap();
    for places in
        [["/data/x.db", "/data/x.db"], ["/vol/x.db", "/vol/x.db"], ["/vol/y.db", "/again/y.db"]]
    {
        let [one, two] = sharing(&sandbox, places).await;
        said(&one, "create table t (n)").await;
        assert_eq!(said(&one, "begin immediate").await, "[]");
        assert_eq!(said(&one, "insert into t values (1)").await, "[]");
        assert_eq!(said(&two, "select * from t").await, "[]", "what was not committed is not seen");
        assert_eq!(said(&two, "insert into t values (2)").await, "database is locked");
        assert_eq!(said(&one, "commit").await, "[]");
        assert_eq!(said(&two, "insert into t values (2)").await, "[]");
        assert_eq!(said(&one, "select * from t").await, "[(1,), (2,)]");
        // Who goes lets go.
        said(&one, "begin immediate").await;
        drop(one);
        assert_eq!(said(&two, "insert into t values (3)").await, "[]");
    }
}

#[tokio::test]
async fn who_is_stopped_in_a_transaction_lets_go() {
    let limits = ResourceLimits::default().with_timeout(Duration::from_secs(3));
    let storage = InMemoryStorage::new();
    let sandbox = Sandbox::embedded().limits(limits).storage(storage).build().unwrap();
    let [one, two] = sharing(&sandbox, ["/data/x.db"; 2]).await;
    said(&one, "create table t (n)").await;
    said(&one, "insert into t values (1)").await;
    let endless = "c.execute('pragma cache_size = 1')\nc.execute('begin exclusive')\n\
        c.executemany('insert into t values (?)', [('x' * 100,) for _ in range(5000)])\nwhile True: pass";
    let stopped = one.execute(endless);
    let meanwhile = async {
        while said(&two, "select count(*) from t").await != "database is locked" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (stopped, ()) = tokio::join!(stopped, meanwhile);
    assert!(matches!(stopped, Err(Error::Timeout(_))), "{stopped:?}");
    drop(one);
    assert_eq!(said(&two, "select * from t").await, "[(1,)]");
    assert_eq!(said(&two, "insert into t values (2)").await, "[]");
    assert_eq!(said(&two, "pragma integrity_check").await, "[('ok',)]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_of_a_shared_database_is_lost() {
    let sandbox = over(&Arc::new(InMemoryStorage::new()));
    let [first, others @ ..] = sharing(&sandbox, ["/data/x.db"; 4]).await;
    said(&first, "create table t (n)").await;
    said(&first, "insert into t values (0)").await;
    let add = "c.execute('pragma busy_timeout = 20000')\nfor _ in range(50):\n    \
        c.execute('begin immediate')\n    \
        n, = c.execute('select n from t').fetchone()\n    \
        c.execute('update t set n = ?', (n + 1,))\n    c.execute('commit')";
    let running: Vec<_> = others
        .into_iter()
        .map(|session| tokio::spawn(async move { session.execute(add).await.map(drop) }))
        .collect();
    for one in running {
        one.await.unwrap().unwrap();
    }
    assert_eq!(said(&first, "select n from t").await, "[(150,)]");
    assert_eq!(said(&first, "pragma integrity_check").await, "[('ok',)]");
}

#[tokio::test]
async fn who_only_reads_keeps_nobody_from_writing() {
    let storage = ArcStorage::new(InMemoryStorage::new());
    let mine = Sandbox::embedded().storage(storage.clone()).build().unwrap();
    let code = "import sqlite3\nc = sqlite3.connect('/data/x.db')\n\
        with c: c.execute('create table t (n)'); c.execute('insert into t values (1)')";
    printed(&mine, code).await;
    let config =
        VfsConfig::new("/data").with_dir_perms(DirPerms::READ).with_file_perms(FilePerms::READ);
    let theirs = Sandbox::embedded().files(storage, &config).build().unwrap();
    let reader = theirs.session().await.unwrap();
    let code = "import sqlite3\nc = sqlite3.connect('/data/x.db', isolation_level=None)\n\
        c.execute('begin')\nprint(c.execute('select * from t').fetchall())";
    assert_eq!(reader.execute(code).await.unwrap().stdout, "[(1,)]\n");
    let code = "import sqlite3\nc = sqlite3.connect('/data/x.db', timeout=0)\n\
        with c: c.execute('insert into t values (2)')\nprint('written')";
    assert_eq!(printed(&mine, code).await, "written\n");
}
