use super::Host;
use crate::bindings::eryx::runtime::tracing::{Host as Tracing, Kind};
use crate::trace::TraceKind;
use crate::view::RuntimeView;

impl<T: RuntimeView> Tracing for Host<'_, T> {
    async fn emit(
        &mut self,
        kind: Kind,
        filename: String,
        line: u32,
        function: String,
        detail: String,
    ) -> wasmtime::Result<()> {
        let kind = match kind {
            Kind::Line => TraceKind::Line,
            Kind::Call => TraceKind::Call,
            Kind::Return => TraceKind::Return,
            Kind::Suspend => TraceKind::Suspend,
            Kind::Resume => TraceKind::Resume,
            Kind::Exception => TraceKind::Exception,
        };
        self.0.runtime().trace(kind, &filename, line, &function, &detail).await;
        Ok(())
    }
}
