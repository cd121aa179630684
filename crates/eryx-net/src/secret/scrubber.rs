use super::{Secret, spellings};
use memchr::memmem::Finder;
use std::cmp::Reverse;

/// Texts with fewer bytes are in everything that is written: they are not looked for, and
/// no value is as short.
pub(super) const LEAST: usize = 4;

/// Texts that were learnt, of those sent last.
const MOST_LEARNT: usize = 16;

/// What stands where a value was and the length must stay.
const MASK: u8 = b'*';

/// Puts placeholders back in the place of values in a text that comes in pieces.
pub(super) struct Scrubber {
    pairs: Vec<Pair>,
    /// How many of the pairs are values; those after them were learnt.
    values: usize,
    /// The beginning of what may be a value.
    held: Vec<u8>,
    /// So many bytes of that are passed on already.
    shown: usize,
}

struct Pair {
    value: Finder<'static>,
    stands_for_it: Vec<u8>,
}

impl Pair {
    fn new(value: &[u8], stands_for_it: &[u8]) -> Self {
        let value = Finder::new(value).into_owned();
        Self { value, stands_for_it: stands_for_it.to_vec() }
    }

    fn value(&self) -> &[u8] {
        self.value.needle()
    }
}

impl Scrubber {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let mut pairs: Vec<Pair> = Vec::new();
        for secret in secrets {
            for written in spellings::all(&secret.value) {
                if !pairs.iter().any(|pair| pair.value() == written) {
                    pairs.push(Pair::new(&written, secret.placeholder.as_bytes()));
                }
            }
        }
        Self { values: pairs.len(), pairs, held: Vec::new(), shown: 0 }
    }

    /// `sent` has a value in it that cannot be seen; the guest had written `written`.
    pub(super) fn learn(&mut self, sent: &[u8], written: &[u8]) {
        if sent.len() < LEAST || self.pairs.iter().any(|pair| pair.value() == sent) {
            return;
        }
        if self.pairs.len() >= self.values + MOST_LEARNT {
            self.pairs.remove(self.values);
        }
        self.pairs.push(Pair::new(sent, written));
    }

    /// Puts `bytes` into `out` but for what may be the beginning of a value. What comes
    /// to more than `room`, and everything where there is none, keeps its length.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, room: Option<&mut usize>) {
        self.run(bytes, out, room, false);
    }

    /// What was held back: the text is over.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, room: Option<&mut usize>) {
        self.run(&[], out, room, true);
    }

    /// A whole text.
    pub(super) fn whole(&mut self, text: &[u8], room: Option<&mut usize>) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        self.run(text, &mut out, room, true);
        out
    }

    /// Somebody waits and nothing more comes: few bytes are no value, and may be all
    /// that was said. If more follows, the rest of a value is hidden all the same.
    pub(super) fn release(&mut self, out: &mut Vec<u8>) {
        if self.held.len() < LEAST {
            out.extend_from_slice(self.held.get(self.shown..).unwrap_or_default());
            self.shown = self.held.len();
        }
    }

    /// The guest has all of `before`, and what comes next follows on that.
    pub(super) fn resume(&mut self, before: &[u8]) {
        self.held = before.get(self.beginning(before, 0)..).unwrap_or_default().to_vec();
        self.shown = self.held.len();
    }

    pub(super) fn longest(&self) -> usize {
        self.pairs.iter().map(|pair| pair.value().len()).max().unwrap_or(0)
    }

    fn run(&mut self, bytes: &[u8], out: &mut Vec<u8>, mut room: Option<&mut usize>, ended: bool) {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(bytes);
        let shown = std::mem::take(&mut self.shown);
        let plain = |out: &mut Vec<u8>, from: usize, to: usize| {
            out.extend_from_slice(text.get(from.max(shown)..to).unwrap_or_default());
        };
        let (mut at, mut places) = (0, vec![Some(0); self.pairs.len()]);
        let mut looked = false;
        loop {
            self.look(&text, at, &mut places, looked);
            looked = true;
            let Some((found, pair)) = self.first(&places) else { break };
            if !ended && self.may_begin(text.get(found..).unwrap_or_default()) {
                plain(out, at, found);
                at = found;
                break;
            }
            plain(out, at, found);
            at = found + pair.value().len();
            pair.put(out, at - found.max(shown), room.as_deref_mut());
        }
        let keep = if ended { text.len() } else { self.beginning(&text, at) };
        plain(out, at, keep);
        self.held = text.get(keep..).unwrap_or_default().to_vec();
        self.shown = shown.saturating_sub(keep);
    }

    /// Notes where values come next; those that were found further on are still there.
    fn look(&self, text: &[u8], at: usize, places: &mut [Option<usize>], looked: bool) {
        for (pair, place) in self.pairs.iter().zip(places) {
            if looked && place.is_none_or(|place| place >= at) {
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            *place = pair.value.find(rest).map(|found| at + found);
        }
    }

    /// The first value, of those at one place the longest.
    fn first(&self, places: &[Option<usize>]) -> Option<(usize, &Pair)> {
        let found = places.iter().zip(&self.pairs).filter_map(|(at, pair)| Some(((*at)?, pair)));
        found.min_by_key(|(at, pair)| (*at, Reverse(pair.value().len())))
    }

    /// Whether a longer value begins with all of `text`.
    fn may_begin(&self, text: &[u8]) -> bool {
        self.pairs
            .iter()
            .any(|pair| pair.value().len() > text.len() && pair.value().starts_with(text))
    }

    /// Where what may be a value begins, at `at` or after it.
    fn beginning(&self, text: &[u8], at: usize) -> usize {
        let from = text.len().saturating_sub(self.longest()).max(at);
        (from..text.len())
            .find(|from| text.get(*from..).is_some_and(|rest| self.may_begin(rest)))
            .unwrap_or(text.len())
    }
}

impl Pair {
    /// Puts what stands for the value, or hides the `length` bytes of it that nobody has
    /// seen.
    fn put(&self, out: &mut Vec<u8>, length: usize, room: Option<&mut usize>) {
        let growth = self.stands_for_it.len().saturating_sub(self.value().len());
        match room.map(|room| (room.checked_sub(growth), room)) {
            Some((Some(left), room)) => {
                *room = left;
                out.extend_from_slice(&self.stands_for_it);
            }
            _ => out.resize(out.len() + length, MASK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets(values: &[&str]) -> Vec<Secret> {
        values.iter().map(|value| Secret::new("KEY", *value, []).unwrap()).collect()
    }

    fn scrubbed(secrets: &[Secret], pieces: &[&[u8]], room: usize) -> String {
        let (mut scrubber, mut out, mut room) = (Scrubber::new(secrets), Vec::new(), room);
        for piece in pieces {
            scrubber.push(piece, &mut out, Some(&mut room));
        }
        scrubber.finish(&mut out, Some(&mut room));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_way_to_write_a_value() {
        let all = secrets(&[r#"a "b\c"&=%/<'(>"#]);
        let key = all[0].placeholder();
        for written in [
            r#"a "b\c"&=%/<'(>"#,
            // Python's quote, and with nothing left as it is; urlencode; JavaScript.
            "a%20%22b%5Cc%22%26%3D%25/%3C%27%28%3E",
            "a%20%22b%5Cc%22%26%3D%25%2F%3C%27%28%3E",
            "a%20%22b%5cc%22%26%3d%25%2f%3c%27%28%3e",
            "a+%22b%5Cc%22%26%3D%25%2F%3C%27%28%3E",
            "a+%22b%5cc%22%26%3d%25/%3c%27%28%3e",
            "a%20%22b%5Cc%22%26%3D%25%2F%3C'(%3E",
            // JSON of Python, PHP, Go, Jinja, Django, .NET and PHP with all its flags.
            r#"a \"b\\c\"&=%/<'(>"#,
            r#"a \"b\\c\"&=%\/<'(>"#,
            r#"a \"b\\c\"\u0026=%/\u003c'(\u003e"#,
            r#"a \"b\\c\"\u0026=%/\u003c\u0027(\u003e"#,
            r#"a \"b\\c\"\u0026=%/\u003C'(\u003E"#,
            r"a \u0022b\\c\u0022\u0026=%/\u003C\u0027(\u003E",
            r"a \u0022b\\c\u0022\u0026=%\/\u003C\u0027(\u003E",
            // XML, and HTML of Python, Jinja, PHP and others.
            r#"a "b\c"&amp;=%/&lt;'(&gt;"#,
            r"a &quot;b\c&quot;&amp;=%/&lt;&#x27;(&gt;",
            r"a &#34;b\c&#34;&amp;=%/&lt;&#39;(&gt;",
            r"a &quot;b\c&quot;&amp;=%/&lt;&#039;(&gt;",
            r"a &quot;b\c&quot;&amp;=%/&lt;&#39;(&gt;",
            r"a &quot;b\c&quot;&amp;=%/&lt;&apos;(&gt;",
        ] {
            let text = format!("<{written}{written}>");
            assert_eq!(scrubbed(&all, &[text.as_bytes()], 999), format!("<{key}{key}>"));
        }
    }

    #[test]
    fn the_longest_value_counts() {
        let all = secrets(&["value", "value-long"]);
        let (short, long) = (all[0].placeholder(), all[1].placeholder());
        for cut in 0..20 {
            let (first, second) = b"<value-longvalue-lo>".split_at(cut);
            let out = scrubbed(&all, &[first, second], 999);
            assert_eq!(out, format!("<{long}{short}-lo>"));
        }
    }

    #[test]
    fn where_there_is_no_room_the_length_stays() {
        let all = secrets(&["s3cr3t-value"]);
        let growth = all[0].placeholder().len() - 12;
        let text = b"s3cr3t-value s3cr3t-value";
        let expected = format!("{} ************", all[0].placeholder());
        assert_eq!(scrubbed(&all, &[text], growth), expected);
        assert_eq!(Scrubber::new(&all).whole(text, None), b"************ ************");
    }

    #[test]
    fn nobody_waits_for_what_is_said_already() {
        let mut scrubber = Scrubber::new(&secrets(&["s3cr3t-value"]));
        let mut out = Vec::new();
        scrubber.push(b"yes", &mut out, None);
        assert_eq!(out, b"ye");
        scrubber.release(&mut out);
        assert_eq!(out, b"yes");
        scrubber.push(b"3cr3t", &mut out, None);
        // Too much for chance: that stays.
        scrubber.release(&mut out);
        assert_eq!(out, b"yes");
        scrubber.push(b"-value!", &mut out, None);
        assert_eq!(out, b"yes***********!");
    }

    #[test]
    fn what_was_learnt_is_little() {
        let mut scrubber = Scrubber::new(&secrets(&["s3cr3t-value"]));
        for number in 0..1000 {
            scrubber.learn(format!("learnt{number:04}").as_bytes(), b"known");
        }
        assert!(scrubber.pairs.len() < 30);
        assert_eq!(scrubber.whole(b"s3cr3t-value learnt0999 learnt0001", None).len(), 34);
        let mut room = 99;
        assert_eq!(scrubber.whole(b"learnt0999", Some(&mut room)), b"known");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            parts in proptest::collection::vec((0..4usize, 1..14usize), 0..12),
            size in 1..60usize,
        ) {
            // No placeholder can have one of them in it by chance.
            let all = secrets(&["qqqqz", "qqqqzqqqqw", "s3cr3t-val"]);
            let text: String = parts.iter().map(|(which, length)| match all.get(*which) {
                Some(secret) => secret.value.get(..*length).unwrap_or(&secret.value),
                None => "a quick eryx",
            }).collect();
            let whole = scrubbed(&all, &[text.as_bytes()], 9999);
            let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(scrubbed(&all, &pieces, 9999), whole.clone());
            for secret in &all {
                prop_assert!(!whole.contains(&*secret.value), "{}", whole);
            }
        }
    }
}
