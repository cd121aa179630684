use std::time::Duration;

/// What one run may use of the network. In a session each run has it anew; what an
/// earlier one has left open counts among what is open.
///
/// ```
/// use eryx_net::NetLimits;
///
/// let limits = NetLimits { bytes_in: 200 << 20, ..NetLimits::default() };
/// assert_eq!(limits.open, 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetLimits {
    /// Connections open at once, those being made included; TLS sessions count
    /// alike, on their own. So many names are looked up at once; more wait for
    /// their turn. 8.
    pub open: u32,
    /// Connections in a run, those that are refused or fail included, and those that
    /// a proxy is asked to make; TLS sessions and look-ups of names count alike, each
    /// on their own. 64.
    pub total: u32,
    /// Time for making one connection, and for one look-up. 10 s.
    pub connect: Duration,
    /// Time for which nothing may move on a connection, whether the guest waits for
    /// it or not; then the host closes it. 30 s.
    pub idle: Duration,
    /// Bytes received in a run, TLS included. 16 MiB.
    pub bytes_in: u64,
    /// Bytes sent in a run, TLS included. 16 MiB.
    pub bytes_out: u64,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            open: 8,
            total: 64,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            bytes_in: 16 << 20,
            bytes_out: 16 << 20,
        }
    }
}
