use crate::policy::HostName;
use std::collections::HashMap;
use std::net::IpAddr;

/// Which names were resolved to an address, in this run and in the one before: what
/// goes on from run to run may look up in one what it connects to in the next.
#[derive(Debug, Default)]
pub(crate) struct Names {
    now: HashMap<IpAddr, Vec<HostName>>,
    before: HashMap<IpAddr, Vec<HostName>>,
}

impl Names {
    /// A run begins.
    pub(crate) fn begin_run(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    pub(crate) fn add(&mut self, address: IpAddr, name: &HostName) {
        let names = self.now.entry(address).or_default();
        if !names.contains(name) {
            names.push(name.clone());
        }
    }

    /// The names of an address, those of this run first.
    pub(crate) fn of(&self, address: IpAddr) -> Vec<HostName> {
        let mut names = self.now.get(&address).cloned().unwrap_or_default();
        for name in self.before.get(&address).into_iter().flatten() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn names_last_for_one_more_run() {
        let (mut names, here) = (Names::default(), IpAddr::from(Ipv4Addr::LOCALHOST));
        let [a, b] = ["a.test", "b.test"].map(|name| name.parse().unwrap());
        names.add(here, &a);
        names.begin_run();
        names.add(here, &b);
        names.add(here, &b);
        assert_eq!(names.of(here), [b.clone(), a]);
        names.begin_run();
        assert_eq!(names.of(here), [b]);
        names.begin_run();
        assert_eq!(names.of(here), []);
    }
}
