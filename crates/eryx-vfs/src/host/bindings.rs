//! The guest's interface, generated from `wit/`.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]

wasmtime::component::bindgen!({
    path: [
        "../../wit/deps/io.wit",
        "../../wit/deps/clocks.wit",
        "../../wit/deps/filesystem.wit",
        "wit",
    ],
    world: "eryx:vfs/files",
    imports: {
        "wasi:filesystem/types.[method]descriptor.get-flags": tracing | trappable,
        "wasi:filesystem/types.[method]descriptor.get-type": async | tracing | trappable,
        "wasi:filesystem/types.[method]descriptor.read-via-stream": tracing | trappable,
        "wasi:filesystem/types.[method]descriptor.write-via-stream": tracing | trappable,
        "wasi:filesystem/types.[method]descriptor.append-via-stream": tracing | trappable,
        "wasi:filesystem/types.[drop]descriptor": tracing | trappable,
        "wasi:filesystem/types.[drop]directory-entry-stream": tracing | trappable,
        "wasi:filesystem/types.filesystem-error-code": tracing | trappable,
        "wasi:filesystem/preopens.get-directories": tracing | trappable,
        default: async | tracing | trappable,
    },
    trappable_error_type: {
        "wasi:filesystem/types.error-code" => crate::host::Failure,
    },
    with: {
        "wasi:io/error": wasmtime_wasi_io::bindings::wasi::io::error,
        "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
        "wasi:io/streams": wasmtime_wasi_io::bindings::wasi::io::streams,
        "wasi:filesystem/types.descriptor": crate::descriptor::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": crate::listing::Listing,
    },
});
