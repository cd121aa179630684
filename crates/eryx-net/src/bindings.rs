//! The guest's interface, generated from `wit/deps/net`.

wasmtime::component::bindgen!({
    path: "../../wit/deps/net",
    world: "imports",
});
