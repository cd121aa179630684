use super::tree::Node;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes in a page.
const PAGE: u64 = 64;

/// Nodes by number, in pages that forks share until one changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pages: BTreeMap<u64, Arc<Page>>,
}

type Page = BTreeMap<u64, Arc<Node>>;

impl Table {
    pub(super) fn get(&self, number: u64) -> Option<&Node> {
        self.pages.get(&(number / PAGE))?.get(&number).map(|node| &**node)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Node> {
        let page = self.pages.get_mut(&(number / PAGE))?;
        Arc::make_mut(page).get_mut(&number).map(Arc::make_mut)
    }

    pub(super) fn insert(&mut self, number: u64, node: Node) {
        let page = self.pages.entry(number / PAGE).or_default();
        Arc::make_mut(page).insert(number, Arc::new(node));
    }

    pub(super) fn remove(&mut self, number: u64) {
        let key = number / PAGE;
        if let Some(page) = self.pages.get_mut(&key) {
            let page = Arc::make_mut(page);
            page.remove(&number);
            if page.is_empty() {
                self.pages.remove(&key);
            }
        }
    }
}
