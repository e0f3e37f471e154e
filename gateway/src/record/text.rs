//! Text lines with Envoy's command operators.
//!
//! `-` stands for absent. Values are escaped for where they stand, so that no
//! caller can end a line, a pair of quotes or a field.

use conf::snapshot::LINE_BYTES;
use conf::text_format::{Piece, TextFormat};

use super::Record;
use super::escape::{self, Place};
use super::operator::{self, Told};
use super::scalar::{self, Fraction};

/// Appends the record's line, without its line ending.
pub(crate) fn line(out: &mut Vec<u8>, record: &Record<'_>, format: &TextFormat) {
    let end = out.len().saturating_add(LINE_BYTES);
    for piece in format.pieces() {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Value { operator, quoted } => {
                let place = match quoted {
                    true => Place::Quoted,
                    false => Place::Word(format.ends()),
                };
                let room = end.saturating_sub(out.len());
                put(out, operator::value(operator, record), place, room);
            }
        }
    }
}

/// An empty word, or one for which there is no room, would join its neighbours: it
/// is written as absent.
fn put(out: &mut Vec<u8>, value: Option<Told<'_>>, place: Place, room: usize) {
    match value {
        Some(Told::Text(text, most)) => {
            let before = out.len();
            escape::text(out, &text, place, most.min(room));
            if out.len() == before && place != Place::Quoted {
                out.push(b'-');
            }
        }
        Some(Told::Number(number) | Told::Digits(number)) => scalar::decimal(out, number),
        Some(Told::Address(address)) => scalar::address(out, address),
        Some(Told::Ip(ip)) => scalar::ip(out, ip),
        Some(Told::Time(nanos)) => scalar::timestamp(out, nanos, Fraction::Millis),
        None => out.push(b'-'),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
