//! The ways a request may be read by an origin, for expressions that refuse (P3
//! and P6): which of several values of a name counts, whether a query is decoded,
//! what becomes of a path.

use std::borrow::Cow;
use std::cell::Cell;

use crate::canonical::{deny_text, deny_views};
use crate::expr::{Ask, Attribute, Attributes, Letters, Map, Readings, Value};
use crate::matching::{form_decode, with_query};
use crate::request::Request;

/// More values of one name are not looked through: it cannot be told what they
/// come to. Each is found by going through all of a query again.
const MAX_PLACES: usize = 32;

impl Readings for Request<'_> {
    fn each(&self, ask: &mut Ask<'_>) -> Result<(), Attribute> {
        let plain = Reading::of(self);
        if ask(&plain, Letters::AsWritten) {
            return Ok(());
        }
        let asked = plain.asked.get();
        if asked.repeated.is_some() && self.each_place(Query::AsSent, ask)? {
            return Ok(());
        }
        if asked.encoded && self.each_place(Query::Decoded, ask)? {
            return Ok(());
        }
        if asked.path {
            self.each_view(asked.target, ask);
        }
        asked.unreadable.map_or(Ok(()), Err)
    }
}

impl Request<'_> {
    /// Once for the first value of every name, once for the second, and so on;
    /// whether an answer was final.
    fn each_place(&self, query: Query, ask: &mut Ask<'_>) -> Result<bool, Attribute> {
        let mut repeated = None;
        for place in 0..MAX_PLACES {
            let reading = Reading {
                place: Some(place),
                query,
                ..Reading::of(self)
            };
            if ask(&reading, Letters::AsWritten) {
                return Ok(true);
            }
            let asked = reading.asked.get();
            if let Some(attribute) = asked.unreadable {
                return Err(attribute);
            }
            repeated = asked.repeated;
            if repeated.is_none() {
                break;
            }
        }
        repeated.map_or(Ok(false), Err)
    }

    /// Once for each view that shows something else than was sent.
    fn each_view(&self, of_target: bool, ask: &mut Ask<'_>) {
        let query = self.query().filter(|_| of_target).map(deny_text);
        let other_query = matches!(query, Some(Cow::Owned(_)));
        for path in deny_views(self.path()).iter() {
            let query = query.as_deref();
            let reading = Reading {
                view: Some(View { path, query }),
                ..Reading::of(self)
            };
            let is_other = path != self.path() || other_query;
            if is_other && ask(&reading, Letters::Wide) {
                return;
            }
        }
    }
}

/// One way to read a request.
struct Reading<'r> {
    request: &'r Request<'r>,
    /// Which value of a repeated name counts, the last where there are fewer;
    /// none: all of a field as one, and the first of a query's.
    place: Option<usize>,
    query: Query,
    /// What stands for the path.
    view: Option<View<'r>>,
    asked: Cell<Asked>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Query {
    AsSent,
    Decoded,
}

#[derive(Clone, Copy)]
struct View<'r> {
    path: &'r str,
    query: Option<&'r str>,
}

/// What was asked for that other readings may answer otherwise.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// A name with another value behind the one that counts.
    repeated: Option<Attribute>,
    /// A query that decoding changes.
    encoded: bool,
    path: bool,
    /// Path and query together.
    target: bool,
    /// A value that is no text: in doubt it is what was asked for.
    unreadable: Option<Attribute>,
}

impl<'r> Reading<'r> {
    fn of(request: &'r Request<'_>) -> Self {
        Self {
            request,
            place: None,
            query: Query::AsSent,
            view: None,
            asked: Cell::default(),
        }
    }

    fn note(&self, note: impl FnOnce(&mut Asked)) {
        let mut asked = self.asked.get();
        note(&mut asked);
        self.asked.set(asked);
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let headers = self.request.headers();
        let place = self.place.unwrap_or(0);
        let values = (0..=place).map_while(|index| headers.value(name, index));
        let counts = values.last()?;
        let more = headers.value(name, place.saturating_add(1)).is_some();
        self.note_value(Attribute::RequestHeaders, counts, more);
        match self.place {
            None if more => self.request.header(name),
            _ => Some(String::from_utf8_lossy(counts)),
        }
    }

    fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let query = self.request.query()?;
        self.note_query(query);
        let decoded = |text: &'r str| match self.query {
            Query::AsSent => Cow::Borrowed(text.as_bytes()),
            Query::Decoded => form_decode(text),
        };
        let pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut values =
            pairs.filter(|(other, _)| *other == name || *decoded(other) == *name.as_bytes());
        let (_, first) = values.next()?;
        let before = values.by_ref().take(self.place.unwrap_or(0));
        let counts = decoded(before.last().map_or(first, |(_, value)| value));
        let more = values.next().is_some();
        self.note_value(Attribute::RequestQueryParams, &counts, more);
        Some(lossy(counts))
    }

    fn note_value(&self, of: Attribute, value: &[u8], more: bool) {
        let is_text = std::str::from_utf8(value).is_ok();
        self.note(|asked| {
            asked.repeated = asked.repeated.or(more.then_some(of));
            asked.unreadable = asked.unreadable.or((!is_text).then_some(of));
        });
    }

    fn query(&self) -> Option<Cow<'_, str>> {
        let query = self.request.query()?;
        self.note_query(query);
        Some(match self.query {
            Query::AsSent => Cow::Borrowed(query),
            Query::Decoded => lossy(form_decode(query)),
        })
    }

    fn note_query(&self, query: &str) {
        let encoded = query.contains(['%', '+']);
        self.note(|asked| asked.encoded |= encoded);
    }

    fn path(&self) -> &str {
        self.note(|asked| asked.path = true);
        self.view.map_or(self.request.path(), |view| view.path)
    }

    /// Mixer's `request.path`.
    fn target(&self) -> Cow<'_, str> {
        self.note(|asked| asked.target = true);
        // Views of the path decode the query, too.
        let query = self.view.map_or(self.request.query(), |view| view.query);
        with_query(self.path(), query)
    }
}

fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

impl Attributes for Reading<'_> {
    fn value(&self, attribute: Attribute) -> Option<Value<'_>> {
        match attribute {
            Attribute::RequestPath => Some(Value::String(self.target())),
            Attribute::RequestUrlPath => Some(Value::String(Cow::Borrowed(self.path()))),
            Attribute::RequestQuery => self.query().map(Value::String),
            Attribute::RequestHeaders | Attribute::RequestQueryParams => {
                Some(Value::Map(Map::Of(attribute)))
            }
            Attribute::RequestUserAgent => self.header("user-agent").map(Value::String),
            Attribute::RequestReferer => self.header("referer").map(Value::String),
            Attribute::RequestId => self.header("x-request-id").map(Value::String),
            other => self.request.value(other),
        }
    }

    fn map_entry(&self, attribute: Attribute, key: &str) -> Option<Cow<'_, str>> {
        match attribute {
            Attribute::RequestHeaders => match Attribute::of_pseudo_header(key) {
                None => self.header(key),
                Some(attribute) => match self.value(attribute)? {
                    Value::String(text) => Some(text),
                    _ => None,
                },
            },
            Attribute::RequestQueryParams => self.parameter(key),
            _ => None,
        }
    }
}
