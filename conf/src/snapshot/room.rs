//! How the room of a JSON line of an operator's own keys is divided, reckoned when
//! the configuration is read: nothing that callers send takes a field away.

use super::Layout;

/// The longest line, in bytes.
pub const LINE_BYTES: usize = 16 * 1024;
/// A number, a time or an address takes no more, quotes included.
const VALUE_BYTES: usize = 64;
/// Of each text at least so much is told, or the layout is refused.
const LEAST_BYTES: usize = 64;
/// No text needs more of its own: what is left goes to those that come first.
const OWN_BYTES: usize = 256;
/// What Mixer's line begins with, but for the instance.
const LEAD_BYTES: usize = 80;

/// Room for the texts of a line: names, numbers and punctuation have theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many members there are.
    pub members: usize,
    /// What each of them has for itself, in bytes as escaped.
    pub each: usize,
    /// What all of them have together.
    pub texts: usize,
}

impl Room {
    /// `None`: a line could not tell all of them.
    fn of<'n>(lead: usize, names: impl Iterator<Item = &'n str>) -> Option<Self> {
        let (mut members, mut taken) = (0_usize, lead.saturating_add("{}".len()));
        for name in names {
            let member = escaped(name) + "\"\":,".len() + VALUE_BYTES;
            taken = taken.saturating_add(member);
            members += 1;
        }
        let texts = LINE_BYTES.checked_sub(taken)?;
        let each = texts.checked_div(members).unwrap_or(OWN_BYTES);
        (each >= LEAST_BYTES).then_some(Self {
            members,
            each: each.min(OWN_BYTES),
            texts,
        })
    }
}

impl Layout {
    /// How a line's room is divided; `None` where it has more members than it can
    /// tell. Layouts that are no JSON of the operator's own keys divide nothing.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        match self {
            Self::Json | Self::Text(_) => Some(Room::default()),
            Self::Mixer { instance, fields } => {
                let lead = LEAD_BYTES.saturating_add(escaped(instance));
                Room::of(lead, fields.iter().map(|(name, _)| &**name))
            }
            Self::Labels(labels) => Room::of(0, labels.iter().map(|(name, _)| &**name)),
        }
    }
}

/// The length of a text in a JSON string.
fn escaped(text: &str) -> usize {
    let length = |character: char| match character {
        '"' | '\\' => 2,
        control if control.is_control() => "\\u0000".len(),
        other => other.len_utf8(),
    };
    text.chars().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_equal_parts_until_there_are_too_many() {
        let room = |members: usize| Room::of(0, std::iter::repeat_n("0123456789", members));
        assert_eq!(room(0).map(|room| room.members), Some(0));
        assert_eq!(room(38).map(|room| room.each), Some(OWN_BYTES));
        let most = (0..).take_while(|members| room(*members).is_some()).count() - 1;
        let full = room(most).unwrap();
        assert_eq!((most, full.each), (115, LEAST_BYTES));
        assert!(full.texts >= full.members * full.each);
        let name = "\"".repeat(LINE_BYTES / 2);
        assert_eq!(Room::of(0, [&*name].into_iter()), None);
        assert_eq!(Room::of(LINE_BYTES, ["x"].into_iter()), None);
    }

    #[test]
    fn a_name_is_as_long_as_it_is_written() {
        for (name, length) in [("plain", 5), ("a\"b\\", 6), ("\n\u{9b}é", 14)] {
            assert_eq!(escaped(name), length, "{name:?}");
        }
    }
}
