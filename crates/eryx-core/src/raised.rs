//! What the guest tells of an exception. How much of it is kept is the host's to
//! say: the guest may have been tampered with.

use crate::bindings::exports::eryx::runtime::execution::{
    Exception, Failure, Frame as GuestFrame, Link,
};
use crate::error::{ChainLink, ChainedException};
use crate::limits::ResourceLimits;
use crate::text::cut;
use crate::{ExecutionOutput, Frame, PythonException};

/// Exceptions that may stand behind one.
const LONGEST_CHAIN: usize = 16;

/// Of each exception.
const MOST_FRAMES: usize = 200;

/// Of each exception.
const MOST_NOTES: usize = 100;

/// All texts of an exception and those behind it may have so many times the bytes
/// of a traceback.
pub(crate) const TIMES_A_TRACEBACK: usize = 16;

pub(crate) fn raised(
    failure: Failure,
    output: ExecutionOutput,
    limits: &ResourceLimits,
) -> PythonException {
    let each = usize::try_from(limits.traceback_bytes).unwrap_or(usize::MAX);
    let mut room = Room { each, left: each.saturating_mul(TIMES_A_TRACEBACK) };
    let mut chain = failure.chain.into_iter();
    // The guest library always names one; a guest that was tampered with may
    // not.
    let first = chain.next().map(|one| room.exception(one));
    let first = first.unwrap_or_else(|| ChainedException {
        link: ChainLink::Cause,
        type_name: "BaseException".into(),
        message: String::new(),
        frames: Vec::new(),
        notes: Vec::new(),
    });
    PythonException {
        type_name: first.type_name,
        message: first.message,
        frames: first.frames,
        notes: first.notes,
        chain: chain.take(LONGEST_CHAIN).map(|one| room.exception(one)).collect(),
        traceback: cut(failure.traceback, each),
        output,
    }
}

/// How many bytes a text may have, and all that are to come.
struct Room {
    each: usize,
    left: usize,
}

impl Room {
    fn text(&mut self, text: String) -> String {
        let text = cut(text, self.each.min(self.left));
        self.left -= text.len();
        text
    }

    fn exception(&mut self, one: Exception) -> ChainedException {
        let link = match one.link {
            Link::Context => ChainLink::Context,
            Link::Cause | Link::Uncaught => ChainLink::Cause,
        };
        let type_name = self.text(one.type_name);
        let message = self.text(one.message);
        let frames = one.frames.into_iter().take(MOST_FRAMES);
        let frames = frames.map(|frame| self.frame(frame)).collect();
        let notes = one.notes.into_iter().take(MOST_NOTES);
        let notes = notes.map(|note| self.text(note)).collect();
        ChainedException { link, type_name, message, frames, notes }
    }

    fn frame(&mut self, frame: GuestFrame) -> Frame {
        Frame {
            filename: self.text(frame.filename),
            line: frame.line,
            function: self.text(frame.function),
            source: self.text(frame.source),
        }
    }
}
