//! The guest's interface, generated from `wit/`.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "sandbox",
    imports: {
        "eryx:runtime/waiting.wait": async | trappable,
        "eryx:runtime/waiting.cancel": async | trappable,
        "eryx:runtime/callbacks.start": async | trappable,
        "eryx:runtime/callbacks.take": async | trappable,
        "eryx:runtime/tracing.emit": async | trappable,
        "eryx:runtime/output.write": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});
