use crate::{SessionExecuteBuilder, SessionExecutor};
use eryx_core::RuntimeView;
use eryx_net::{NetRequest, NetView};
use std::fmt;
use tokio::sync::mpsc::Sender;

type Requests = Option<Sender<NetRequest>>;

/// Who decides on what a run tries to reach.
pub(crate) struct Decider<T> {
    requests: Sender<NetRequest>,
    /// What only a state with a network can do.
    set: fn(&mut T, Requests),
}

impl<T> fmt::Debug for Decider<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decider").field(&self.requests).finish()
    }
}

impl<T: RuntimeView> Decider<T> {
    /// Has it asked from here on.
    pub(crate) fn begin(&self, session: &mut SessionExecutor<T>) {
        self.set(session, Some(self.requests.clone()));
    }

    /// Has nobody asked.
    pub(crate) fn end(self, session: &mut SessionExecutor<T>) {
        self.set(session, None);
    }

    /// A session that cannot be used has nothing to ask of.
    fn set(&self, session: &mut SessionExecutor<T>, requests: Requests) {
        if let Some(store) = session.store_mut() {
            (self.set)(store.data_mut(), requests);
        }
    }
}

impl<T: RuntimeView + NetView> SessionExecuteBuilder<'_, T> {
    /// Asks who holds the other end of `requests` about every name that the program
    /// looks up and every connection that it makes, as far as the session's rules
    /// allow them. The rules alone decide in runs without. See
    /// [`NetCtx::set_requests`](eryx_net::NetCtx::set_requests).
    ///
    /// ```no_run
    /// # async fn example<T>(session: &mut eryx_session::SessionExecutor<T>)
    /// # -> Result<(), eryx_core::Error>
    /// # where T: eryx_core::RuntimeView + eryx_net::NetView {
    /// let (sender, mut requests) = tokio::sync::mpsc::channel::<eryx_net::NetRequest>(8);
    /// let run = session.execute("import urllib.request").with_network(sender).run();
    /// let decide = async {
    ///     // Ends with the run.
    ///     while let Some(request) = requests.recv().await {
    ///         println!("{:?}", request.attempt());
    ///         request.allow();
    ///     }
    /// };
    /// let (output, ()) = tokio::join!(run, decide);
    /// # output.map(drop)
    /// # }
    /// ```
    pub fn with_network(mut self, requests: Sender<NetRequest>) -> Self {
        let set = |data: &mut T, requests: Requests| data.net().set_requests(requests);
        self.network = Some(Decider { requests, set });
        self
    }
}
