use crate::artifact::{self, CachePlace, CompileEvent};
use crate::bindings::SandboxIndices;
use crate::engine::PythonEngine;
use crate::view::RuntimeView;
use crate::{Error, RuntimeSource, host};
use std::fmt;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// What an embedder links besides what this crate does.
pub(crate) type Extend<T> =
    Box<dyn Fn(&mut Linker<T>) -> wasmtime::Result<()> + Send + Sync + 'static>;

/// A component compiled for an engine and linked as far as can be without a
/// store.
pub(crate) struct Linked<T: RuntimeView> {
    pub(crate) engine: PythonEngine,
    pub(crate) pre: InstancePre<T>,
    pub(crate) exports: SandboxIndices,
    /// The export that shows the memory.
    pub(crate) memory: ComponentExportIndex,
    /// The export that takes what is to be written there.
    pub(crate) write: ComponentExportIndex,
}

impl<T: RuntimeView> Linked<T> {
    /// Loads compiled code or compiles it, which takes seconds.
    pub(crate) fn new(
        engine: PythonEngine,
        source: &RuntimeSource,
        cache: &CachePlace,
        extend: &Extend<T>,
        extensions: &[String],
        notice: &dyn Fn(CompileEvent),
    ) -> Result<Self, Error> {
        let component = artifact::load(engine.engine(), source, cache, notice)?;
        Self::link(engine, &component, extend, extensions)
            .map_err(|error| Error::Initialization { origin: source.origin(), source: error })
    }

    fn link(
        engine: PythonEngine,
        component: &Component,
        extend: &Extend<T>,
        extensions: &[String],
    ) -> wasmtime::Result<Self> {
        let pre = link(&engine, component, extend, extensions)?;
        let exports = SandboxIndices::new(&pre)?;
        let export = |name| {
            component
                .get_export_index(None, IMAGE)
                .and_then(|image| component.get_export_index(Some(&image), name))
                .ok_or_else(|| wasmtime::Error::msg("the component does not show its memory"))
        };
        Ok(Self { engine, pre, exports, memory: export("memory")?, write: export("write")? })
    }
}

const IMAGE: &str = "eryx:runtime/image@0.1.0";

impl<T: RuntimeView> fmt::Debug for Linked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linked").field("engine", &self.engine).finish_non_exhaustive()
    }
}

fn link<T: RuntimeView>(
    engine: &PythonEngine,
    component: &Component,
    extend: &Extend<T>,
    extensions: &[String],
) -> wasmtime::Result<InstancePre<T>> {
    let mut linker = Linker::new(engine.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    host::add_to_linker(&mut linker)?;
    linker.allow_shadowing(true);
    extend(&mut linker)?;
    refuse_the_rest(engine, component, &mut linker, extensions)?;
    linker.instantiate_pre(component)
}

/// Defines the optional interfaces that nobody has linked: to call them is a
/// trap. The guest is told which there are and does not use the others.
fn refuse_the_rest<T: RuntimeView>(
    engine: &PythonEngine,
    component: &Component,
    linker: &mut Linker<T>,
    extensions: &[String],
) -> wasmtime::Result<()> {
    let is_there = |name: &str| {
        let package = name.split(['/', '@']).next().unwrap_or(name);
        package == "eryx:runtime"
            || package.starts_with("wasi:")
            || extensions.iter().any(|extension| extension == package)
    };
    for (name, import) in component.component_type().imports(engine.engine()) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if is_there(name) {
            continue;
        }
        let mut instance = linker.instance(name)?;
        for (function, item) in interface.exports(engine.engine()) {
            if let ComponentItem::ComponentFunc(_) = item.ty {
                let refusal = format!("{name} is not linked");
                instance.func_new(function, move |_, _, _, _| {
                    Err(wasmtime::Error::msg(refusal.clone()))
                })?;
            }
        }
    }
    Ok(())
}
