//! Instructions that fill or copy memory call functions of the shim instead, which do
//! it in pieces: see `python-runtime/shim/pieces.c`.

use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use wasmparser::{ExternalKind, Operator, Parser, Payload, TypeRef};

const FILL: &str = "eryx_fill";
const COPY: &str = "eryx_copy";

/// A call's instruction.
const CALL: u8 = 0x10;

/// Has all functions of the module but these two call them.
pub(crate) fn call_functions(module: &mut [u8]) -> Result<()> {
    let found = find(module)?;
    for Place { offset, size, function } in found {
        let place = module.get_mut(offset..offset + size).context("beyond the module")?;
        write_call(place, function)?;
    }
    Ok(())
}

/// Where an instruction is, how long, and what it shall call.
struct Place {
    offset: usize,
    size: usize,
    function: u32,
}

fn find(module: &[u8]) -> Result<Vec<Place>> {
    let (mut imported, mut exported) = (0, HashMap::new());
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.context("the linked module is damaged")? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        exported.insert(export.name, export.index);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    let function = |name| exported.get(name).copied().context(format!("{name} is missing"));
    let (fill, copy) = (function(FILL)?, function(COPY)?);
    let mut places = Vec::new();
    for (number, body) in (imported..).zip(bodies) {
        for operator in body.get_operators_reader()?.into_iter_with_offsets() {
            let (operator, offset) = operator?;
            // Two bytes name the instruction, one each memory.
            let place = match operator {
                Operator::MemoryFill { mem: 0 } => Place { offset, size: 3, function: fill },
                Operator::MemoryCopy { dst_mem: 0, src_mem: 0 } => {
                    Place { offset, size: 4, function: copy }
                }
                _ => continue,
            };
            if ![fill, copy].contains(&number) {
                places.push(place);
            }
        }
    }
    Ok(places)
}

/// Writes a call over an instruction of the same size: a number may have more digits
/// than it needs.
fn write_call(place: &mut [u8], function: u32) -> Result<()> {
    let (call, number) = place.split_first_mut().context("an instruction of no bytes")?;
    *call = CALL;
    let mut left = function;
    let last = number.len().saturating_sub(1);
    for (index, byte) in number.iter_mut().enumerate() {
        *byte = u8::try_from(left & 0x7f)? | if index < last { 0x80 } else { 0 };
        left >>= 7;
    }
    ensure!(left == 0, "the function {function} has a number too large to be called here");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Functions 0 and 1 are exported; 2 has an instruction of each kind.
    fn module() -> Vec<u8> {
        let types: &[u8] = &[1, 7, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0];
        let functions: &[u8] = &[3, 4, 3, 0, 0, 0];
        let memory: &[u8] = &[5, 3, 1, 0, 1];
        let exports =
            [&[7, 25, 2, 9][..], FILL.as_bytes(), &[0, 0, 9], COPY.as_bytes(), &[0, 1]].concat();
        let arguments = [0x20, 0, 0x20, 1, 0x20, 2];
        let fill = [&[0][..], &arguments, &[0xfc, 11, 0, 0x0b]].concat();
        let copy = [&[0][..], &arguments, &[0xfc, 10, 0, 0, 0x0b]].concat();
        let both =
            [&[0][..], &arguments, &[0xfc, 11, 0], &arguments, &[0xfc, 10, 0, 0, 0x0b]].concat();
        let mut code = vec![3];
        for body in [fill, copy, both] {
            code.push(u8::try_from(body.len()).unwrap());
            code.extend(body);
        }
        let code = [&[10, u8::try_from(code.len()).unwrap()][..], &code].concat();
        [b"\0asm\x01\0\0\0", types, functions, memory, &exports, &code].concat()
    }

    #[test]
    fn only_others_call_the_functions() {
        let mut changed = module();
        wasmparser::validate(&changed).unwrap();
        assert_eq!(find(&changed).unwrap().len(), 2);
        call_functions(&mut changed).unwrap();
        wasmparser::validate(&changed).unwrap();
        assert_eq!(changed.len(), module().len());
        assert!(find(&changed).unwrap().is_empty());
        let calls = [CALL, 0x80, 0, 0x20, 0, 0x20, 1, 0x20, 2, CALL, 0x81, 0x80, 0, 0x0b];
        assert!(changed.ends_with(&calls), "{changed:?}");
        // Their own instructions are what they were.
        assert_eq!(changed.split(|byte| *byte == 0xfc).count(), 3);
    }

    #[test]
    fn a_number_must_fit() {
        assert!(write_call(&mut [0; 3], (1 << 14) - 1).is_ok());
        assert!(write_call(&mut [0; 3], 1 << 14).is_err());
        assert!(call_functions(&mut b"\0asm\x01\0\0\0".to_vec()).is_err());
    }
}
