//! The interface between guest and host, as the tools need it.

use crate::key::KeyBuilder;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use wit_parser::{Resolve, WorldId};

pub(crate) struct World {
    resolve: Resolve,
    id: WorldId,
}

impl World {
    pub(crate) fn read(repository: &Path) -> Result<Self> {
        let folder = repository.join("wit");
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(&folder).context("the WIT files are not valid")?;
        let id = resolve.select_world(&[package], Some("guest"))?;
        Ok(Self { resolve, id })
    }

    /// Generates the C side of the interface.
    pub(crate) fn bindings(&self) -> Result<Bindings> {
        let mut files = wit_bindgen_core::Files::default();
        // The shim knows the interface by the name of core's own world.
        let options = wit_bindgen_c::Opts {
            rename_world: Some("sandbox".into()),
            ..wit_bindgen_c::Opts::default()
        };
        options
            .build()
            .generate(&mut self.resolve.clone(), self.id, &mut files)
            .context("cannot generate the C bindings")?;
        Ok(Bindings(files))
    }
}

/// C files, and an object file that says which interface they implement.
pub(crate) struct Bindings(wit_bindgen_core::Files);

impl Bindings {
    /// Adds all there is in them, so that another generator makes other results.
    pub(crate) fn in_key(&self, key: KeyBuilder) -> KeyBuilder {
        self.0.iter().fold(key, |key, (name, content)| key.text(name).bytes(content))
    }

    /// Returns what is to be linked.
    pub(crate) fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut sources = Vec::new();
        for (name, content) in self.0.iter() {
            let path = folder.join(name);
            fs::write(&path, content)?;
            if path.extension().is_some_and(|extension| extension != "h") {
                sources.push(path);
            }
        }
        Ok(sources)
    }
}
