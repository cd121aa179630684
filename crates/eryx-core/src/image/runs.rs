use std::ops::Range;

/// Adds `run`, which comes behind the others, to the last of them if that goes on there.
pub(super) fn push(runs: &mut Vec<Range<usize>>, run: Range<usize>) {
    match runs.last_mut() {
        Some(last) if last.end == run.start => last.end = run.end,
        _ => runs.push(run),
    }
}
