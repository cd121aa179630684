//! What lasts in an instance from call to call must be its memory alone: the host
//! makes instances fresh again by writing to that.

use anyhow::{Context, Result, ensure};
use wasmparser::{Operator, Parser, Payload, TypeRef};

/// Interfaces whose handles the shim forgets wherever its memory goes on in another
/// instance (`shim/open_files.c`). What one leaves behind the host forgets, with all
/// else that its store had.
const OPENED_AGAIN: [&str; 2] = ["wasi:filesystem/", "wasi:io/"];

/// Refuses a module that can keep something elsewhere.
///
/// One global may change, the stack pointer: each function that moves it puts it
/// back before it returns, by a local that no program can reach.
pub(crate) fn only_memory(module: &[u8]) -> Result<()> {
    let mut changing = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.context("the linked module is damaged")? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    let is_function = matches!(import.ty, TypeRef::Func(_));
                    ensure!(is_function, "the guest imports {}, which is no function", import.name);
                    let is_handle = import.name.starts_with('[');
                    ensure!(
                        !is_handle || OPENED_AGAIN.iter().any(|of| import.module.starts_with(of)),
                        "the guest uses a handle of the host's: {}",
                        import.name
                    );
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    changing += usize::from(global?.ty.mutable);
                }
            }
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader()? {
                    let operator = operator?;
                    ensure!(!lasts(&operator), "the guest keeps state by {operator:?}");
                }
            }
            _ => {}
        }
    }
    ensure!(changing == 1, "the guest has {changing} globals that change, not its stack's alone");
    Ok(())
}

/// Whether an instruction changes what is neither memory nor a global.
fn lasts(operator: &Operator<'_>) -> bool {
    use Operator as Op;
    matches!(
        operator,
        Op::TableSet { .. }
            | Op::TableGrow { .. }
            | Op::TableFill { .. }
            | Op::TableCopy { .. }
            | Op::TableInit { .. }
            | Op::ElemDrop { .. }
            | Op::DataDrop { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::only_memory;

    /// A module with these sections.
    fn module(sections: &[u8]) -> Vec<u8> {
        [b"\0asm\x01\0\0\0", sections].concat()
    }

    const STACK_POINTER: &[u8] = &[6, 6, 1, 0x7f, 1, 0x41, 0, 0x0b];

    #[test]
    fn a_stack_pointer_may_change() {
        assert!(only_memory(&module(STACK_POINTER)).is_ok());
    }

    #[test]
    fn no_other_global_may() {
        let two = [6, 11, 2, 0x7f, 1, 0x41, 0, 0x0b, 0x7f, 1, 0x41, 0, 0x0b];
        assert!(only_memory(&module(&two)).is_err());
    }

    #[test]
    fn nothing_may_be_dropped() {
        let function: &[u8] = &[1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0];
        // elem.drop 0
        let code: &[u8] = &[10, 7, 1, 5, 0, 0xfc, 13, 0, 0x0b];
        let refused = only_memory(&module(&[function, STACK_POINTER, code].concat()));
        assert!(refused.is_err_and(|error| error.to_string().contains("ElemDrop")));
    }
}
