//! What holds for any bytes: the bodies of the fuzz targets `http_rewriter` and
//! `http_answers`, which are tests too. They look inside, so they are here.

mod input;
mod model;
mod reader;
mod setting;

use super::Refused;
use super::chunks::MOST_LINE;
use super::rewriter::MOST_HEAD;
use input::Input;
use model::Model;
use reader::{Message, shown};
use setting::Setting;

/// A stream of requests comes out the same however it is cut, and with the values of
/// secrets only where they belong.
pub fn http_rewriter(bytes: &[u8]) {
    let mut input = Input(bytes);
    let setting = Setting::decode(&mut input);
    let cuts: [u8; 8] = std::array::from_fn(|_| input.byte());
    as_they_are(&setting, &cuts, input.0);
    as_model(&setting, &cuts, &mut input);
}

/// What a server answers comes out without the values of secrets however it is cut.
pub fn http_answers(bytes: &[u8]) {
    let mut input = Input(bytes);
    let setting = Setting::decode(&mut input);
    let cuts: [u8; 8] = std::array::from_fn(|_| input.byte());
    let asked = input.pick(&["GET", "HEAD", "CONNECT"]);
    let stream = setting.fill_in(input.0);
    cleaned_alike(&setting, asked, &cuts, &stream);
}

/// The cuts change nothing.
fn cleaned_alike(setting: &Setting, asked: &str, cuts: &[u8], stream: &[u8]) {
    let whole = setting.answer(asked, &[stream]);
    let pieces = cut(stream, cuts);
    let cut_up = setting.answer(asked, &pieces);
    // Chunks are cut anew.
    if memchr::memmem::find(&stream.to_ascii_lowercase(), b"chunked").is_none() {
        assert!(cut_up == whole, "{} {} {:?}", shown(&cut_up), shown(&whole), lengths(&pieces));
    }
}

/// Any bytes: what comes out says the same as if they had come at once.
fn as_they_are(setting: &Setting, cuts: &[u8], stream: &[u8]) {
    let whole = said(setting, &[stream]);
    let pieces = cut(stream, cuts);
    assert_eq!(said(setting, &pieces), whole, "pieces: {:?}", lengths(&pieces));
}

/// Bytes taken for requests, of which all is known before they are written.
fn as_model(setting: &Setting, cuts: &[u8], input: &mut Input<'_>) {
    let model = Model::decode(setting, input);
    let expected = model.expected();
    let stream = model.stream();
    let whole = said(setting, &[&stream]);
    assert_eq!(whole.clone().ok(), expected, "{whole:?}: {}", shown(&stream));
    let pieces = cut(&stream, cuts);
    assert_eq!(said(setting, &pieces), whole, "pieces: {:?}", lengths(&pieces));
}

/// What the server is told.
fn said(setting: &Setting, pieces: &[&[u8]]) -> Result<Vec<Message>, Refused> {
    let mut rewriter = setting.rewriter();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(rewriter.rewrite(piece)?);
    }
    let stream = pieces.concat();
    let most = setting.most_out(stream.len(), pieces.len());
    assert!(out.len() <= most, "{} bytes became {}", stream.len(), out.len());
    let messages = reader::read(&out);
    setting.check_values(&stream, &messages);
    Ok(messages)
}

fn lengths(pieces: &[&[u8]]) -> Vec<usize> {
    pieces.iter().map(|piece| piece.len()).collect()
}

/// Bytes in pieces of their own if there are few; or lines that break within their ends;
/// or at some places, and where limits may be.
fn cut<'a>(stream: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let Some((how, cuts)) = cuts.split_first() else { return vec![stream] };
    if how % 4 == 0 && stream.len() <= 2000 {
        return stream.chunks(1 + usize::from(how / 4) % 7).collect();
    }
    if how % 4 == 1 {
        return stream.split_inclusive(|byte| *byte == b'\r').collect();
    }
    let mut places: Vec<usize> = cuts
        .as_chunks::<2>()
        .0
        .iter()
        .map(|two| usize::from(u16::from_le_bytes(*two)) * stream.len() / 65_535)
        .collect();
    let near = usize::from(how / 4);
    places.extend([MOST_LINE, MOST_HEAD].map(|limit| limit - 8 + near % 16));
    places.push(stream.len().saturating_sub(near));
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut rest = stream;
    let mut start = 0;
    for place in places {
        let (piece, others) = rest.split_at((place - start).min(rest.len()));
        pieces.push(piece);
        (rest, start) = (others, place);
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::setting::KEYS;
    use proptest::prelude::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn seeds_of_http_rewriter() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/http_rewriter");
        let mut count = 0;
        for seed in fs::read_dir(folder).unwrap() {
            super::http_rewriter(&fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "there are no seeds");
    }

    #[test]
    fn seeds_of_http_answers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/http_answers");
        let seeds: Vec<_> = fs::read_dir(folder).unwrap().collect();
        assert!(!seeds.is_empty(), "there are no seeds");
        for seed in seeds {
            super::http_answers(&fs::read(seed.unwrap().path()).unwrap());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn rewriting_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::http_rewriter(&bytes);
        }

        #[test]
        fn cleaning_of_what_answers_are_made_of(
            settings in prop::array::uniform10(any::<u8>()),
            text in "(HTTP/1\\.[01] (200|101|204|304|100) (OK|\x01)\r\n\
                ((A|Location|Content-Length|Transfer-Encoding): (\x01|[0-9]{1,2}|chunked)\r\n){0,3}\r?\n?\
                ([0-9a-f]{1,2}(;[a-z]{1,3})?\r?\n?|[\x01-\x06]|[ -~]{0,9}|\r\n){0,8}){1,3}",
        ) {
            super::http_answers(&[&settings[..], text.as_bytes()].concat());
        }

        #[test]
        fn rewriting_of_what_requests_are_made_of(
            settings in prop::array::uniform9(any::<u8>()),
            text in "(GET|POST|CONNECT|AAAAAAAAAAAAAAAAAAAA) (/KEY|\\*|http://api\\.example\\.com/) HTTP/1\\.[01]\r\n\
                ((A|Host|Content-Length|Transfer-Encoding|Authorization|Expect): (KEY|api\\.example\\.com|[0-9]{1,2}|chunked|Basic [a-zA-Z]{4})\r\n){0,5}\r?\n?\
                ([0-9a-f]{1,2}(;[a-z]{1,3})?\r?\n?|KEY|[ -~]{0,9}|\r\n){0,8}",
        ) {
            let text = text.replace("KEY", KEYS[0]);
            super::http_rewriter(&[&settings[..], text.as_bytes()].concat());
        }
    }
}
