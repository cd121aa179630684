use wasmtime::component::{ComponentType, Lower};

/// Bytes and the place in the guest's memory they belong to.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Piece<'a> {
    pub(crate) address: u32,
    pub(crate) bytes: &'a [u8],
}

impl Piece<'_> {
    /// How many the guest takes at once.
    const AT_ONCE: usize = 5000;

    /// How many bytes: with more, others would wait for their turn.
    const BYTES_AT_ONCE: usize = 4 << 20;
}

/// The same in batches of which each is written at once.
pub(super) fn batches<'a>(pieces: &[Piece<'a>]) -> Vec<Vec<Piece<'a>>> {
    let mut batches: Vec<Vec<Piece<'a>>> = Vec::new();
    // Of the last batch.
    let mut bytes = usize::MAX;
    let parts = pieces.iter().flat_map(|piece| {
        let parts = piece.bytes.chunks(Piece::BYTES_AT_ONCE);
        (piece.address..).step_by(Piece::BYTES_AT_ONCE).zip(parts)
    });
    for (address, part) in parts {
        let piece = Piece { address, bytes: part };
        bytes = bytes.saturating_add(part.len());
        match batches.last_mut() {
            Some(last) if bytes <= Piece::BYTES_AT_ONCE && last.len() < Piece::AT_ONCE => {
                last.push(piece);
            }
            _ => {
                bytes = part.len();
                batches.push(vec![piece]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_batches() {
        let most = Piece::BYTES_AT_ONCE;
        let large: Vec<u8> = (0..=250).cycle().take(2 * most + 10).collect();
        let mut pieces = vec![Piece { address: 8192, bytes: &large }];
        pieces.extend(
            (0..12_000).map(|n| Piece { address: (1 << 30) | (n * 16), bytes: &large[..9] }),
        );
        let batches = batches(&pieces);
        assert!(batches.iter().all(|batch| {
            let bytes: usize = batch.iter().map(|piece| piece.bytes.len()).sum();
            bytes <= most && (1..=Piece::AT_ONCE).contains(&batch.len())
        }));
        let first: Vec<_> = batches.concat().iter().take(3).map(|one| one.address).collect();
        assert_eq!(first, [8192, 8192 + (4 << 20), 8192 + (8 << 20)]);
        let bytes: Vec<u8> =
            batches.concat().iter().flat_map(|piece| piece.bytes).copied().collect();
        let whole: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes).copied().collect();
        assert!(bytes == whole);
        assert!(super::batches(&[]).is_empty());
    }
}
