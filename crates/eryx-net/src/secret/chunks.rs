use super::Refused;
use super::held::Held;
use super::replacer::Replacer;
use crate::http::{chunk_size, is_one_line};

/// Bytes of a line between chunks.
pub(super) const MOST_LINE: usize = 4 << 10;

/// What ends it.
const END: &[u8] = b"\r\n";

/// A chunked body on its way.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
}

/// What is done to a text that comes in pieces.
pub(super) trait Pieces {
    /// Puts `bytes` into `out` but for what has to wait for more.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, room: &mut usize) -> Result<(), Refused>;

    /// What has waited: the text is over.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// A line after the last chunk.
    fn trailer(&mut self, line: Vec<u8>) -> Vec<u8> {
        line
    }
}

impl Pieces for Replacer {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, room: &mut usize) -> Result<(), Refused> {
        Self::push(self, bytes, out, room)
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        Self::finish(self, out);
    }
}

/// Where in it we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    End,
}

impl Chunks {
    pub(super) fn ended(&self) -> bool {
        self.at == At::End
    }

    /// Passes on what can be of `held`; whether there may be more to do.
    ///
    /// The chunks are cut anew where secrets are put in, and what a chunk says
    /// beside its size is left out.
    pub(super) fn step(
        &mut self,
        put: &mut impl Pieces,
        held: &mut Held,
        out: &mut Vec<u8>,
        room: &mut usize,
    ) -> Result<bool, Refused> {
        if let At::Data(left) = &mut self.at {
            let piece = held.take_of(left);
            if *left == 0 {
                self.at = At::DataEnd;
            }
            let mut plain = Vec::new();
            put.push(&piece, &mut plain, room)?;
            put_chunk(&plain, out);
            return Ok(true);
        }
        // With its end; more of it is not looked at, however much came at once.
        let most = MOST_LINE + END.len();
        let Some(end) = held.find(END, most) else {
            return if held.len() >= most { Err(Refused::TooLong) } else { Ok(false) };
        };
        let mut line = held.take(end + END.len());
        line.truncate(end);
        if !is_one_line(&line) {
            return Err(Refused::Ambiguous);
        }
        match self.at {
            At::DataEnd if line.is_empty() => self.at = At::Size,
            At::Size => self.size(&line, put, out)?,
            At::Trailer => {
                if line.is_empty() {
                    self.at = At::End;
                }
                out.extend(put.trailer(line));
                out.extend_from_slice(b"\r\n");
            }
            _ => return Err(Refused::Ambiguous),
        }
        Ok(true)
    }

    fn size(
        &mut self,
        line: &[u8],
        put: &mut impl Pieces,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        self.at = match chunk_size(line).ok_or(Refused::Ambiguous)? {
            0 => {
                let mut rest = Vec::new();
                put.finish(&mut rest);
                put_chunk(&rest, out);
                out.extend_from_slice(b"0\r\n");
                At::Trailer
            }
            size => At::Data(size),
        };
        Ok(())
    }
}

/// A chunk of these bytes; none if there are none, for that would be the last.
pub(super) fn put_chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        out.extend(format!("{:x}\r\n", bytes.len()).bytes());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}
